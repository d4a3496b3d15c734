//! Runs a template, statement by statement.

mod call;
mod eval;

pub(crate) use eval::Given;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Body, Expr, For, Macro, Name, Post, Stmt, Target};
use crate::budget::Budget;
use crate::fault::{Run, TemplateError, failed, shown};
use crate::text::Text;
use crate::value::{Function, Loop, Value};

/// Bytes that a scope, a macro or a variable is counted for.
const PLACE: usize = 96;

pub(crate) struct Machine<'t> {
    pub(crate) budget: Budget,
    /// The statement that is being run.
    line: usize,
    /// What is written, and under it what was being written when a block began whose text is a value.
    out: Vec<Text>,
    scope: Rc<Scope>,
    /// Values hold places in these, and so can hold neither each other nor themselves.
    macros: Vec<(&'t Macro, Rc<Scope>)>,
    namespaces: Vec<Vec<(Name, Value)>>,
    loops: i64,
}

/// The variables of a block; the scope around it has the others.
struct Scope {
    variables: RefCell<Vec<(Name, Value)>>,
    parent: Option<Rc<Scope>>,
}

/// Where a body has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl Scope {
    fn new(parent: Option<Rc<Self>>) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::default(), parent })
    }

    fn set(&self, name: &Name, value: Value) {
        let mut variables = self.variables.borrow_mut();
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, held)) => *held = value,
            None => variables.push((name.clone(), value)),
        }
    }
}

impl<'t> Machine<'t> {
    /// With these variables.
    pub(crate) fn new(budget: Budget, variables: Vec<(Name, Value)>) -> Self {
        let functions = [
            ("dict", Function::Dict),
            ("namespace", Function::Namespace),
            ("raise_exception", Function::RaiseException),
            ("range", Function::Range),
            ("strftime_now", Function::StrftimeNow),
        ];
        let scope = Scope::new(None);
        for (name, function) in functions {
            scope.set(&Arc::from(name), Value::Function(function));
        }
        for (name, value) in &variables {
            scope.set(name, value.clone());
        }
        let (out, macros, namespaces) = (vec![Text::default()], Vec::new(), Vec::new());
        Self { budget, line: 1, out, scope, macros, namespaces, loops: 0 }
    }

    /// All that the template writes.
    pub(crate) fn run(mut self, body: &'t Body) -> Result<Text, TemplateError> {
        match self.body(body) {
            Ok(_) => Ok(self.out.pop().unwrap_or_default()),
            Err(fault) => Err(fault.at(self.line)),
        }
    }

    fn body(&mut self, body: &'t Body) -> Run<Flow> {
        self.budget.enter()?;
        let mut flow = Flow::Next;
        for spot in body {
            self.line = spot.line;
            self.budget.step()?;
            flow = self.statement(&spot.stmt)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.budget.leave();
        Ok(flow)
    }

    fn statement(&mut self, stmt: &'t Stmt) -> Run<Flow> {
        match stmt {
            Stmt::Data(text) => self.write(text)?,
            Stmt::Emit(value) => {
                let value = self.eval(value)?;
                let text = value.to_text(&mut self.budget)?;
                self.write(&text)?;
            }
            Stmt::Set(target, value) => {
                let value = self.eval(value)?;
                self.assign(target, value)?;
            }
            Stmt::SetBlock(target, filters, body) => {
                let text = self.captured(body)?;
                let value = self.filtered(text, filters)?;
                self.assign(target, value)?;
            }
            Stmt::If(arms, otherwise) => return self.choose(arms, otherwise),
            Stmt::For(stmt) => self.repeat(stmt)?,
            Stmt::With(values, body) => {
                let values = self.evaluated(values)?;
                return self.scoped(|machine| {
                    for (target, value) in values {
                        machine.assign(target, value)?;
                    }
                    machine.body(body)
                });
            }
            Stmt::Macro(name, body) => {
                let value = self.define(body)?;
                self.scope.set(name, value);
            }
            Stmt::Call(call, body) => self.call_block(call, body)?,
            Stmt::Filter(filters, body) => {
                let text = self.captured(body)?;
                let text = self.filtered(text, filters)?.to_text(&mut self.budget)?;
                self.write(&text)?;
            }
            Stmt::Scope(body) => return self.scoped(|machine| machine.body(body)),
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, text: &Text) -> Run<()> {
        self.budget.write(text.size())?;
        if let Some(out) = self.out.last_mut() {
            out.push(text);
        }
        Ok(())
    }

    fn choose(&mut self, arms: &'t [(Expr, Body)], otherwise: &'t Body) -> Run<Flow> {
        for (test, body) in arms {
            if self.eval(test)?.is_true() {
                return self.body(body);
            }
        }
        self.body(otherwise)
    }

    fn evaluated(&mut self, values: &'t [(Target, Expr)]) -> Run<Vec<(&'t Target, Value)>> {
        values.iter().map(|(target, value)| Ok((target, self.eval(value)?))).collect()
    }

    /// Runs something in a scope of its own.
    fn scoped<T>(&mut self, run: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        self.budget.write(PLACE)?;
        let inner = Scope::new(Some(self.scope.clone()));
        let outer = std::mem::replace(&mut self.scope, inner);
        let done = run(self);
        self.scope = outer;
        done
    }

    /// What a body writes, as a value.
    fn captured(&mut self, body: &'t Body) -> Run<Value> {
        self.out.push(Text::default());
        self.scoped(|machine| machine.body(body))?;
        let text = self.out.pop().unwrap_or_default();
        Value::counted(text, &mut self.budget)
    }

    fn filtered(&mut self, mut value: Value, filters: &'t [Post]) -> Run<Value> {
        for filter in filters {
            if let Post::Filter(name, args) = filter {
                let given = self.given(args)?;
                value = self.filter(name, value, given)?;
            }
        }
        Ok(value)
    }

    fn repeat(&mut self, stmt: &'t For) -> Run<()> {
        let mut items = self.eval(&stmt.iter)?.items(&mut self.budget)?;
        if let Some(filter) = &stmt.filter {
            let mut kept = Vec::new();
            for item in &items.items {
                let keep = self.scoped(|machine| {
                    machine.assign(&stmt.target, item.clone())?;
                    Ok(machine.eval(filter)?.is_true())
                })?;
                kept.extend(keep.then(|| item.clone()));
            }
            items = Value::list(kept, &mut self.budget)?.items(&mut self.budget)?;
        }
        if items.items.is_empty() {
            self.scoped(|machine| machine.body(&stmt.otherwise))?;
            return Ok(());
        }
        let name: Name = Arc::from("loop");
        self.loops += 1;
        for (at, item) in items.items.iter().enumerate() {
            self.budget.step()?;
            let state = Rc::new(Loop { items: items.clone(), at, depth: self.loops });
            let flow = self.scoped(|machine| {
                machine.scope.set(&name, Value::Loop(state));
                machine.assign(&stmt.target, item.clone())?;
                machine.body(&stmt.body)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        self.loops -= 1;
        Ok(())
    }

    fn assign(&mut self, target: &'t Target, value: Value) -> Run<()> {
        self.budget.step()?;
        self.budget.write(PLACE)?;
        match target {
            Target::Name(name) => {
                self.budget.steps(self.scope.variables.borrow().len() / 8)?;
                self.scope.set(name, value);
            }
            Target::Attribute(name, attribute) => {
                let Value::Namespace(at) = self.variable(name)? else {
                    return failed(format!("{} is no namespace", shown(name, 60)));
                };
                let names = &mut self.namespaces[at];
                self.budget.steps(names.len() / 4)?;
                match names.iter_mut().find(|(known, _)| known == attribute) {
                    Some((_, held)) => *held = value,
                    None => names.push((attribute.clone(), value)),
                }
            }
            Target::Several(targets) => {
                let items = value.items(&mut self.budget)?;
                if items.items.len() != targets.len() {
                    let (found, wanted) = (items.items.len(), targets.len());
                    return failed(format!("{found} values for {wanted} names"));
                }
                for (target, item) in targets.iter().zip(&items.items) {
                    self.assign(target, item.clone())?;
                }
            }
        }
        Ok(())
    }

    fn variable(&mut self, name: &Name) -> Run<Value> {
        let mut scope = Some(&self.scope);
        while let Some(here) = scope {
            let variables = here.variables.borrow();
            self.budget.steps(variables.len() / 8)?;
            if let Some((_, value)) = variables.iter().find(|(known, _)| known == name) {
                return Ok(value.clone());
            }
            scope = here.parent.as_ref();
        }
        Ok(Value::Undefined(Some(name.clone())))
    }

    fn define(&mut self, body: &'t Macro) -> Run<Value> {
        self.budget.write(PLACE)?;
        self.macros.push((body, self.scope.clone()));
        Ok(Value::Macro(self.macros.len() - 1))
    }

    fn call_block(&mut self, call: &'t Expr, body: &'t Macro) -> Run<()> {
        let caller = self.define(body)?;
        let Expr::Postfix(function, posts) = call else { return failed("{% call %} takes a call of a macro") };
        let Some((Post::Call(args), before)) = posts.split_last() else {
            return failed("{% call %} takes a call of a macro");
        };
        let function = self.postfix(function, before)?;
        let mut given = self.given(args)?;
        given.named.push((Arc::from("caller"), caller));
        let text = self.call(&function, given)?.to_text(&mut self.budget)?;
        self.write(&text)
    }
}
