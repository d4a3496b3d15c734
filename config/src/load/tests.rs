use proptest::prelude::*;

use super::*;
use crate::{Role, SAMPLE, Subscription, check_variables};

fn none() -> Vec<(OsString, OsString)> {
    Vec::new()
}

fn error(text: &str) -> String {
    text.parse::<NodeConfig>().unwrap_err().to_string()
}

#[test]
fn the_shipped_sample_is_the_defaults() {
    assert_eq!(SAMPLE.parse::<NodeConfig>().unwrap(), NodeConfig::default());
}

#[test]
fn the_shipped_sample_names_and_explains_every_key() {
    let table: Table = SAMPLE.parse().unwrap();
    let lines: Vec<&str> = SAMPLE.lines().collect();
    for (key, _) in NodeConfig::keys() {
        let (section, name) = key.split_once('.').unwrap();
        assert!(table[section].get(name).is_some(), "{key} is missing");
        let start = lines.iter().position(|line| *line == format!("[{section}]")).unwrap();
        let line = lines[start..].iter().position(|line| line.starts_with(&format!("{name} ="))).unwrap();
        assert!(lines[start + line - 1].starts_with("# "), "{key} is not explained");
    }
}

#[test]
fn the_defaults_stay_what_they_are() {
    insta::assert_snapshot!(NodeConfig::default().to_toml());
}

#[test]
fn a_file_needs_nothing_but_its_version() {
    assert_eq!("version = 1".parse::<NodeConfig>().unwrap(), NodeConfig::default());
    assert!(error("").contains("version = nothing"));
    assert!(error("version = 2").contains("reads version 1"));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, "version = 1\n[api]\nmax_requests = 1\nmax_body_bytes = 2048\nmax_upload_bytes = 2048\n")
        .unwrap();
    let env = [("DATANET_API_MAX_REQUESTS", "2"), ("DATANET_API_MAX_BODY_BYTES", "4096"), ("DATANET_CACHE", "/c")];
    let env = env.map(|(name, value)| (name.into(), value.into()));
    let flags = Overrides::new().set("api.max_requests", 3);
    let api = load(Some(&path), env, &flags).unwrap().api;
    assert_eq!((api.max_requests, api.max_body_bytes, api.max_upload_bytes), (3, 4096, 2048));
}

#[test]
fn every_kind_of_value_can_come_as_text() {
    let id = "ab".repeat(datanet_types::DatanetId::LEN);
    let flags = Overrides::new()
        .set("node.roles", "storage, serving")
        .set("judging.automatic", false)
        .set("api.listen", "127.0.0.1:0")
        .set("api.max_upload_bytes", "1_000_000")
        .set("datanets.subscribe", &id)
        .set_text("log.filter=warn,datanet=debug")
        .unwrap();
    let config = load(None, none(), &flags).unwrap();
    assert_eq!(config.node.roles, [Role::Storage, Role::Serving]);
    assert!(!config.judging.automatic);
    assert_eq!(config.api.listen.port(), 0);
    assert_eq!(config.api.max_upload_bytes, 1_000_000);
    assert_eq!(config.log.filter, "warn,datanet=debug");
    assert!(config.datanets.subscribe.includes(&id.parse().unwrap()));
    let all = load(None, none(), &flags.set("datanets.subscribe", "all")).unwrap();
    assert_eq!(all.datanets.subscribe, Subscription::ALL);
}

#[test]
fn an_unknown_key_is_named_with_the_keys_there_are() {
    let text = error("version = 1\n[api]\nlisten_adress = \"x\"");
    assert!(text.contains("api.listen_adress") && text.contains("`listen`"), "{text}");
    let text = error("version = 1\n[apis]\n");
    assert!(text.contains("apis") && text.contains("`api`"), "{text}");
    let text = load(None, none(), &Overrides::new().set("api.port", 1)).unwrap_err().to_string();
    assert!(text.contains("api.port") && text.contains("api.listen"), "{text}");
}

#[test]
fn a_wrong_value_is_one_error_with_key_value_source_and_what_is_allowed() {
    for (text, wanted) in [
        ("[api]\nlisten = \"localhost\"", ["api.listen", "localhost", "127.0.0.1:26680"]),
        ("[api]\nmax_requests = 0", ["api.max_requests", "0", "1 to 65536"]),
        ("[api]\nmax_requests = \"many\"", ["api.max_requests", "many", "1 to 65536"]),
        ("[api]\nallowed_origins = [\"app\"]", ["api.allowed_origins", "app", "https://"]),
        ("[node]\nname = \"a b\"", ["node.name", "a b", "letters"]),
        ("[node]\nroles = [\"miner\"]", ["node.roles", "miner", "\"storage\""]),
        ("[node]\nroles = [\"storage\", \"storage\"]", ["node.roles", "Storage", "at most once"]),
        ("[p2p]\nlisten = []", ["p2p.listen", "[]", "at least one"]),
        ("[p2p]\nbootstrap = [\"/ip4/1.2.3.4/tcp/1\"]", ["p2p.bootstrap", "1.2.3.4", "/p2p/"]),
        ("[consensus]\nengine = \"raft\"", ["consensus.engine", "raft", "\"solo\""]),
        ("[inference]\nthreads = -1", ["inference.threads", "-1", "0 to 1024"]),
        ("[consensus]\npersistent_peers = [\"x@y\"]", ["consensus.persistent_peers", "x@y", "40 hex"]),
        ("[ledger]\nkeep_blocks = 1000", ["ledger.keep_blocks", "1000", "600000"]),
        ("[inference]\ndevice = \"gpu\"", ["inference.device", "gpu", "cuda:0"]),
        ("[datanets]\nsubscribe = \"some\"", ["datanets.subscribe", "some", "\"all\""]),
        ("[log]\nformat = \"xml\"", ["log.format", "xml", "\"json\""]),
    ] {
        let error = error(&format!("version = 1\n{text}\n"));
        for part in wanted {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
}

#[test]
fn a_wrong_value_in_the_environment_names_the_variable() {
    let env = [("DATANET_JUDGING_AUTOMATIC".into(), "maybe".into())];
    let error = load(None, env, &Overrides::new()).unwrap_err().to_string();
    assert!(error.contains("DATANET_JUDGING_AUTOMATIC") && error.contains("true or false"), "{error}");
    let env = [("DATANET_API_LISTEN".into(), "here".into())];
    let error = load(None, env, &Overrides::new()).unwrap_err().to_string();
    assert!(error.contains("from DATANET_API_LISTEN"), "{error}");
}

#[test]
fn a_missing_file_and_broken_toml_say_where() {
    let error = load(Some(Path::new("/nowhere/config.toml")), none(), &Overrides::new()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/config.toml is missing"), "{error}");
    assert!(self::error("version = 1\n[api\n").contains("line 2"), "{}", self::error("version = 1\n[api\n"));
    assert!(Overrides::new().set_text("api.listen").is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        name in "[a-z][a-z0-9._-]{0,20}", requests in 1u32..65_536, device in 0u32..9, automatic: bool,
    ) {
        let mut config = NodeConfig::default();
        config.node.name = name;
        config.api.max_requests = requests;
        config.inference.device = format!("cuda:{device}");
        config.judging.automatic = automatic;
        prop_assert_eq!(config.inference.cuda_device(), Some(device));
        prop_assert_eq!(config.to_toml().parse::<NodeConfig>().unwrap(), config);
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(text in ".{0,200}") {
        let _ = text.parse::<NodeConfig>();
        let _ = format!("version = 1\n[api]\nlisten = {text}").parse::<NodeConfig>();
    }
}

fn not_text() -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9".to_vec())
}

#[test]
fn a_variable_of_ours_that_is_no_text_is_named_and_others_are_not_looked_at() {
    let with = |name: OsString| load(None, [(name, not_text())], &Overrides::new());
    assert!(with("LANG_NAME".into()).is_ok() && with(not_text()).is_ok());
    let error = with("DATANET_NODE_NAME".into()).unwrap_err().to_string();
    assert!(error.contains("DATANET_NODE_NAME is not UTF-8") && error.contains("unset it"), "{error}");
    assert!(check_variables([("OTHER".into(), not_text()), ("DATANET_CACHE".into(), "/c".into())]).is_ok());
    let error = check_variables([("DATANET_CACHE".into(), not_text())]).unwrap_err().to_string();
    assert!(error.contains("DATANET_CACHE is not UTF-8"), "{error}");
}

#[test]
fn a_tilde_in_a_path_of_the_configuration_is_the_users_home() {
    let home = std::env::var_os("HOME").expect("tests run in somebody's home");
    let config: NodeConfig = "version = 1\n[models]\nfolder = \"~/nests\"".parse().unwrap();
    assert_eq!(config.models.folder, Path::new(&home).join("nests"));
    let env = [("DATANET_INFERENCE_MODEL_DIR".into(), "~/owl".into())];
    assert_eq!(load(None, env, &Overrides::new()).unwrap().inference.model_dir, Path::new(&home).join("owl"));
    let flags = Overrides::new().set("models.folder", "~heron/x");
    let error = load(None, none(), &flags).unwrap_err().to_string();
    assert!(error.contains("models.folder = ~heron/x (from --set models.folder)"), "{error}");
}

#[test]
fn an_absent_empty_or_cut_file_is_told_with_its_name_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let told = || load(Some(&path), none(), &Overrides::new()).unwrap_err().to_string();
    assert!(told().ends_with("config.toml is missing"));
    std::fs::write(&path, "").unwrap();
    assert!(told().ends_with("config.toml is empty"));
    std::fs::write(&path, "version = 1\n[node]\nname = \"ow").unwrap();
    let cut = told();
    assert!(cut.contains("line 3") && cut.contains("move it away and run `datanet init`"), "{cut}");
}
