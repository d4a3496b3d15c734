//! A template as a tree. What stands in a row is a list and no nest, so that a long line is no deep one.

use std::sync::Arc;

use crate::text::Text;

pub(crate) type Name = Arc<str>;
pub(crate) type Body = Vec<Spot>;

/// A statement and its line.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) stmt: Stmt,
}

#[derive(Debug)]
pub(crate) enum Stmt {
    Data(Arc<Text>),
    Emit(Expr),
    Set(Target, Expr),
    SetBlock(Target, Vec<Post>, Body),
    If(Vec<(Expr, Body)>, Body),
    For(Box<For>),
    With(Vec<(Target, Expr)>, Body),
    Macro(Name, Macro),
    /// A call of a macro that is given the body as `caller`.
    Call(Expr, Macro),
    Filter(Vec<Post>, Body),
    /// A body whose variables are its own.
    Scope(Body),
    Break,
    Continue,
}

#[derive(Debug)]
pub(crate) struct For {
    pub(crate) target: Target,
    pub(crate) iter: Expr,
    pub(crate) filter: Option<Expr>,
    pub(crate) body: Body,
    pub(crate) otherwise: Body,
}

#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: Name,
    pub(crate) params: Vec<(Name, Option<Expr>)>,
    pub(crate) body: Body,
}

/// What is assigned to.
#[derive(Debug)]
pub(crate) enum Target {
    Name(Name),
    /// An attribute of a namespace.
    Attribute(Name, Name),
    Several(Vec<Self>),
}

#[derive(Debug)]
pub(crate) enum Expr {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<Text>),
    Name(Name),
    List(Vec<Self>),
    Dict(Vec<(Self, Self)>),
    Not(Box<Self>),
    Negative(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Box<Self>, Vec<(Comparison, Self)>),
    /// Operators of one precedence, from the left.
    Operate(Box<Self>, Vec<(Operator, Self)>),
    Concat(Vec<Self>),
    /// `value if test`, in a row, and what stands after the last `else`.
    Choose(Vec<(Self, Self)>, Option<Box<Self>>),
    Postfix(Box<Self>, Vec<Post>),
}

/// What follows a value.
#[derive(Debug)]
pub(crate) enum Post {
    Attribute(Name),
    Item(Expr),
    Slice(Box<[Option<Expr>; 3]>),
    Call(Args),
    Filter(Name, Args),
    Test { name: Name, args: Args, negated: bool },
}

#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) plain: Vec<Expr>,
    pub(crate) named: Vec<(Name, Expr)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideWhole,
    Remainder,
    Power,
}
