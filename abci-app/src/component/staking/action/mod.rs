//! What can be done about validators and the stake behind them.

mod create_validator;
mod delegate;
mod redelegate;
mod undelegate;
mod unjail;
mod withdraw_rewards;
