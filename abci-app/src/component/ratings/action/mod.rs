//! What can be done about ratings.

mod rate_seller;
