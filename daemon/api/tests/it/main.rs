//! What a program that talks to a node relies on.

mod round_trip;
