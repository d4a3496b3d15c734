//! Where a test may have the node die, as if it were killed: in builds with debug assertions alone, and only at the step that the
//! environment names.

/// Dies here, if `DATANET_DIE_AT` names this step: by SIGKILL, so that nothing is written any more and no handler runs.
pub(crate) fn reached(step: &str) {
    #[cfg(debug_assertions)]
    if std::env::var("DATANET_DIE_AT").is_ok_and(|at| at == step) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = step;
}
