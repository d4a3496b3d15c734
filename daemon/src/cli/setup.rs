//! `datanet setup`, and what `start` and `dev` need of it.

use anyhow::Result;
use datanet_setup::{self as setup, Part, SetupOptions};

use super::args::SetupArgs;
use super::output::{Output, fields};
use crate::node::Tools;

pub(super) async fn run(args: SetupArgs, output: Output) -> Result<()> {
    let options = SetupOptions { verify: args.verify, ..SetupOptions::from_env()? };
    let toolbox = setup::ensure(&options, setup::progress_for(output.json)).await?;
    let value = serde_json::to_value(&toolbox)?;
    output.show(&value, |value| fields(value, &["cometbft", "onnxruntime", "model_dir"]));
    Ok(())
}

/// Brings what a node needs. A missing model is no reason not to start; a missing CometBFT is, where it is needed.
pub(super) async fn tools(consensus: bool, output: Output) -> Result<Tools> {
    let options = SetupOptions::from_env()?;
    let part = async |part: Part| {
        setup::ensure_part(part, &options, setup::progress_for(output.json)).await.map_err(|error| error.to_string())
    };
    let cometbft =
        if consensus { part(Part::Cometbft).await } else { Err("not needed with the solo engine".to_owned()) };
    let model = match (part(Part::Onnxruntime).await, part(Part::Model).await) {
        (Ok(runtime), Ok(model)) => Ok((runtime, model)),
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
    };
    Ok(Tools { cometbft, model })
}
