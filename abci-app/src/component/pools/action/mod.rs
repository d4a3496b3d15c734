//! What is done about pools.

mod add_liquidity;
mod buy_shares;
mod create_pool;
mod remove_liquidity;
mod sell_shares;
