//! What is done about shares. Claiming for an asset is settlement's ([`crate::component::settlement`]).

mod issue_shares;
mod pay_income;
mod transfer_shares;
mod withdraw_income;
