//! `agent`.

mod ledger;
mod program;

use clap::Subcommand;

pub(in crate::cli) use ledger::{AgentKeyArgs, LedgerAgentCommand, RegisterArgs, UpdateArgs};
pub(in crate::cli) use program::ProgramCommand;

/// `agent`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgentCommand {
    #[command(flatten)]
    Program(ProgramCommand),
    #[command(flatten)]
    Ledger(LedgerAgentCommand),
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::cli::args::Cli;

    #[test]
    fn every_command_of_agents_says_whether_it_is_about_the_ledger_or_a_program_here() {
        let cli = Cli::command();
        let agent = cli.find_subcommand("agent").unwrap();
        for command in agent.get_subcommands() {
            let (name, about) = (command.get_name(), command.get_about().unwrap().to_string());
            let program = ["new", "run", "status", "stop", "log", "key"].contains(&name);
            assert!(about.starts_with(if program { "Program here: " } else { "Ledger: " }), "{name}: {about}");
        }
        assert_eq!(agent.get_subcommands().count(), 14);
        assert!(Cli::try_parse_from(["datanet", "agents", "list"]).is_err());
    }
}
