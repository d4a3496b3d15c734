//! Peer scores: what a neighbour gains by being useful and loses by misbehaving, derived from the rates we expect.
//!
//! The library's defaults are written for a chain with a message every few milliseconds: after four seconds of merely
//! being connected, a peer has +1,800 points, and no misbehaviour that follows would ever be noticed. Here every number
//! follows from two facts: topics are quiet (an announcement every few seconds at most, often none for hours), and one
//! invalid message is already suspicious, because honest nodes forward nothing that they did not accept themselves.
//!
//! | Part | Points | Why |
//! |---|---|---|
//! | P1 time in mesh | 0 to +10 | a point a minute, capped: age alone must not outweigh one invalid message |
//! | P2 first deliveries | 0 to +20 | a point a message, halved in about a minute at the expected rate |
//! | P3, P3b delivery deficit | 0 | off: on a quiet topic an honest peer delivers nothing |
//! | P4 invalid messages | -20 n² | n = 1: -20, n = 2: -80; forgotten over ten minutes |
//! | P6 IP colocation | 0 | off: local testnets and offices share one address |
//! | P7 protocol abuse | -10 n² | GRAFT floods and broken promises, forgotten over ten minutes |
//!
//! All topics together give at most +30, so three invalid messages (-180) always reach the graylist (-80).

use std::time::Duration;

use libp2p::gossipsub::{PeerScoreParams, PeerScoreThresholds, TopicScoreParams, score_parameter_decay};

/// How often scores decay; also the heartbeat of the mesh. An idle node does nothing else on a timer.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// Announcements per second that a busy topic is expected to carry.
const EXPECTED_MESSAGES_PER_SECOND: f64 = 0.5;
/// How long a first delivery counts.
const DELIVERY_MEMORY: Duration = Duration::from_secs(240);
/// How long misbehaviour is remembered.
const PENALTY_MEMORY: Duration = Duration::from_secs(600);
/// Points that each useful part can give at most.
const MAX_TIME_IN_MESH: f64 = 10.0;
const MAX_FIRST_DELIVERIES: f64 = 20.0;
/// Points of the first invalid message; the n-th costs n² times as much.
const INVALID_MESSAGE: f64 = -20.0;
const PROTOCOL_ABUSE: f64 = -10.0;

/// The parameters that hold for a peer as a whole.
pub(super) fn peer_score_params() -> PeerScoreParams {
    PeerScoreParams {
        // Also bounds what joining many topics can earn.
        topic_score_cap: MAX_TIME_IN_MESH + MAX_FIRST_DELIVERIES,
        app_specific_weight: 0.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: PROTOCOL_ABUSE,
        behaviour_penalty_threshold: 2.0,
        behaviour_penalty_decay: score_parameter_decay(PENALTY_MEMORY),
        decay_interval: HEARTBEAT,
        // A peer that reconnects finds its old score again.
        retain_score: PENALTY_MEMORY,
        ..PeerScoreParams::default()
    }
}

/// The parameters of every topic.
pub(super) fn topic_score_params() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 1.0,
        time_in_mesh_quantum: Duration::from_secs(60),
        time_in_mesh_cap: MAX_TIME_IN_MESH,
        first_message_deliveries_weight: 1.0,
        first_message_deliveries_decay: score_parameter_decay(DELIVERY_MEMORY),
        // What a peer reaches that delivers a sixth of the traffic first would not do on quiet topics; a cap does.
        first_message_deliveries_cap: MAX_FIRST_DELIVERIES,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: INVALID_MESSAGE,
        invalid_message_deliveries_decay: score_parameter_decay(PENALTY_MEMORY),
        ..TopicScoreParams::default()
    }
}

/// From which score on a peer is heard less, sent nothing, and not heard at all.
pub(super) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        // One invalid message from a peer without merit: no more gossip about what it has.
        gossip_threshold: -10.0,
        publish_threshold: -50.0,
        graylist_threshold: -80.0,
        accept_px_threshold: 10.0,
        // Only peers that delivered something are worth replacing a mesh member for.
        opportunistic_graft_threshold: EXPECTED_MESSAGES_PER_SECOND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_valid() {
        peer_score_params().validate().unwrap();
        topic_score_params().validate().unwrap();
        thresholds().validate().unwrap();
    }

    #[test]
    fn three_invalid_messages_outweigh_all_merit() {
        let merit = peer_score_params().topic_score_cap;
        assert!(merit + INVALID_MESSAGE * 9.0 < thresholds().graylist_threshold);
    }

    #[test]
    fn an_honest_peer_on_a_silent_topic_never_loses_points() {
        let topic = topic_score_params();
        assert_eq!(topic.mesh_message_deliveries_weight, 0.0);
        assert_eq!(topic.mesh_failure_penalty_weight, 0.0);
        assert_eq!(peer_score_params().ip_colocation_factor_weight, 0.0);
    }
}
