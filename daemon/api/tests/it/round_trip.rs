//! Every wire type is read from what the other side writes, and written the same again, byte by byte.

use datanet_api::a2a::AgentCard;
use datanet_api::accounts::{AccountView, Claims, Earnings, NewStake, Supply};
use datanet_api::agents::{
    AgentView, Agents, AgentsParams, ChangedAgent, NewAgent, NewAgentKey, RegisteredAgent, RevokedAgentKey,
};
use datanet_api::ask::{Answer, AskRequest};
use datanet_api::attributions::Attributed;
use datanet_api::channels::{
    ChannelParams, Channels, ClosedChannel, Closing, NewChannel, OpenedChannel, TopUp, ToppedUp,
};
use datanet_api::classify::{Classifications, ClassifyRequest};
use datanet_api::contributions::{self, Accepted, ContributeParams, Contributions, ListParams, RecordsPage, Revoked};
use datanet_api::datanets::{
    ClosedDatanet, CreatedDatanet, Datanets, Debts, DebtsParams, History, HistoryParams, NewDatanet, NewHoldout,
    RotatedHoldout,
};
use datanet_api::embeddings::{EmbeddingsReply, EmbeddingsRequest};
use datanet_api::epochs::{Challenged, Doubt, EpochCheck, Epochs, InTheNameOf, ProvenForgery, SettledEpoch};
use datanet_api::fine_tuning::{self, FineTuningCheckpoint, FineTuningJob, JobUpdate, NewFineTuningJob, Page};
use datanet_api::generate::{ChatRequest, CompletionRequest};
use datanet_api::health::Health;
use datanet_api::keys::{
    AccountKeys, BegunRecovery, GrantedKey, KeyInfo, Keys, NewKey, NewRecovery, NewSubKey, RevokedKey, RotatedKey,
    Rotation,
};
use datanet_api::models::{
    Deleted, Deploy, Deployed, ExportFormat, ExportParams, Imported, ModelDetails, ModelList, ModelsParams, NewImport,
    NewModel, Pull, PullUpdate, Registered, Removed, Verify,
};
use datanet_api::proposals::{NewProposal, NewVote, ProposalView, Proposals, UpgradeView};
use datanet_api::receipts::{AnswerRecordView, IssuedReceipts, ReceiptView, Verification};
use datanet_api::search::{Hits, SearchParams};
use datanet_api::sellers::{NewRating, OpenRatings, SellerView, Sellers};
use datanet_api::services::{CallAnswer, CallOutcome, Called, NextCall, ServiceAsk, ServiceList};
use datanet_api::status::{NodeStatus, Peers};
use datanet_api::trainings::{
    BoughtModel, NewBoughtModel, TrainingFileParams, TrainingQuoted, TrainingRequest, TrainingView,
};
use datanet_api::transactions::{Encoded, Estimate, NewTransfer, Sent, Submitted, TxView};
use datanet_api::x402::{
    ChannelPayload, Discovery, DiscoveryParams, ExactPayload, FacilitatorRequest, PaymentPayload, PaymentRequired,
    SettleResponse, Supported, VerifyResponse,
};
use datanet_api::{Problem, RunFile};
use datanet_types::Address;
use datanet_types::receipt::AnswerRecord;
use datanet_types::release::Release;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// `text`, in which `$ID` stands for 32 bytes, `$SIG` for 64 and `$ADDR` for an account, is read and written again.
fn wire<T: Serialize + DeserializeOwned>(text: &str) {
    let text = text.replace("$ID", &"5e".repeat(32)).replace("$SIG", &"a7".repeat(64));
    let text = text.replace("$ADDR", &Address::ZERO.to_string());
    let compact: String = text.lines().map(str::trim).collect();
    let name = std::any::type_name::<T>();
    let value: T = serde_json::from_str(&compact).unwrap_or_else(|error| panic!("{name}: {error} in {compact}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), compact, "{name}");
}

/// The JSON of something that has much in it.
fn json_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn the_card_of_a_node() {
    wire::<AgentCard>(
        r#"{"name":"owl","description":"d","supportedInterfaces":[],"version":"1",
        "capabilities":{"extensions":[{"uri":"urn:x","description":"d","params":{"url":"http://x"}}]},
        "defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],
        "skills":[{"id":"search","name":"n","description":"d","tags":["t"]}],
        "signatures":[{"protected":"e30","signature":"AA"}]}"#,
    );
    wire::<AgentCard>(
        r#"{"name":"owl","description":"d",
        "supportedInterfaces":[{"url":"http://x","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],"version":"1",
        "capabilities":{"extensions":[]},"defaultInputModes":[],"defaultOutputModes":[],"skills":[]}"#,
    );
}

#[test]
fn agents_and_sellers() {
    wire::<AgentView>(
        r#"{"id":"$ID","account":"$ADDR","owner":"$ADDR","name":"owl","card":"$ID","release":1,
        "suppliers":[{"asset":"model:x","floor_bps":2500,"release":0}],"payees":[{"asset":"model:x","ppm":250000}],
        "balance":9,"budget":5,"left":4,"period_seconds":60,"registered_height":3,"retired_height":0}"#,
    );
    wire::<AgentsParams>(r#"{"owner":"$ADDR","after":"$ID","limit":5}"#);
    wire::<Agents>(r#"{"agents":[]}"#);
    wire::<NewAgent>(
        r#"{"account":"alice","name":"owl","card":"$ID","suppliers":[{"asset":"agent:x","floor_bps":1}],"budget":5,
        "period_seconds":60,"funds":7}"#,
    );
    wire::<ChangedAgent>(r#"{"card":"$ID","suppliers":[],"budget":5,"period_seconds":6,"end_keys":true}"#);
    wire::<RegisteredAgent>(r#"{"id":"$ID","account":"$ADDR","tx":"$ID","height":4}"#);
    wire::<NewAgentKey>(
        r#"{"key":"runner","actions":["transfer"],"counterparties":["node:x"],"budget":5,"period_seconds":60,
        "lasts_seconds":99}"#,
    );
    wire::<RevokedAgentKey>(r#"{"account":"alice","key":"runner"}"#);
    wire::<SellerView>(
        r#"{"account":"$ADDR","agent":"$ID","score_bps":9000,"counted":7,"rated":10,"own":1,"circular":2,"ratings":3,
        "earned":20,"paid":4}"#,
    );
    wire::<ServiceList>(r#"{"services":[{"agent":"$ID","price":9,"description":"owls"}]}"#);
    wire::<ServiceAsk>(r#"{"text":"what do owls eat?","account":"alice"}"#);
    wire::<NextCall>(r#"{"price":9,"description":"owls","anew":true,"wait_seconds":20}"#);
    wire::<Called>(r#"{"call":{"order":"$ID","text":"what do owls eat?","price":9}}"#);
    wire::<CallAnswer>(r#"{"order":"$ID","answer":"voles","suppliers":["$ID"]}"#);
    wire::<CallAnswer>(r#"{"order":"$ID","refusal":"nothing was found"}"#);
    wire::<CallOutcome>(r#"{"receipt":"$ID","fee":9}"#);
    wire::<CallOutcome>(r#"{"receipt":null,"fee":0,"why":"it is too dear"}"#);
    wire::<Sellers>(r#"{"sellers":[]}"#);
    wire::<NewRating>(r#"{"account":"alice","node":"$ID","epoch":3,"score_bps":9000}"#);
    wire::<OpenRatings>(r#"{"open":[{"node":"$ID","epoch":3,"seller":"$ADDR","amount":5,"until":9}]}"#);
}

#[test]
fn the_node_keys_and_accounts() {
    wire::<Health>(r#"{"status":"ok"}"#);
    wire::<NodeStatus>(
        r#"{"name":"n","version":"0.1.0","chain_id":"c","height":7,"app_hash":"00","catching_up":false,"engine":"solo",
        "node_key":"$ID","account":"$ADDR","roles":["judge"],"peers":1,"consensus_peers":2,"p2p":["/ip4/127.0.0.1"],
        "contributions_held":3,"max_contribution_bytes":4,"model":{"id":null,"name":null,"dimensions":null,"provider":"there is none"},
        "deployed":[{"id":"$ID","name":"m","provider":"cpu"}],"jobs":0,"uptime_seconds":5,
        "fees":{"transaction":1,"review":2,"review_per_mib":4,"byte":5,"gas":6,"datanet_deposit":7,"state_byte":8,"bond_penalty_bps":3},
        "stopped":[{"component":"channels","height":7,"key":"channels/x"}]}"#,
    );
    wire::<Peers>(
        r#"{"peers":[{"node_key":"$ID","addrs":["a"],"agent":"datanet","name":null,"account":null},
        {"node_key":"$ID","addrs":[],"agent":"datanet","name":"n","account":"$ADDR"}]}"#,
    );
    wire::<Keys>(r#"{"keys":[{"name":"node","address":"$ADDR","public_key":"$ID"}]}"#);
    wire::<KeyInfo>(r#"{"name":"node","address":"$ADDR","public_key":"$ID"}"#);
    wire::<NewKey>(r#"{"name":"alice"}"#);
    wire::<NewKey>(r#"{"name":"agent","account":"$ADDR"}"#);
    wire::<AccountKeys>(
        r#"{"address":"$ADDR","version":2,"owners":["$ID"],"threshold":1,"guardian":"$ADDR","recovery_seconds":5,
        "pending":{"owners":["$ID"],"threshold":1,"due":9},
        "sub_keys":[{"key":"$ID","actions":["transfer"],"counterparties":["node:x"],"budget":3,"left":2,
        "period_seconds":60,"expires":99,"ended":false}]}"#,
    );
    wire::<NewSubKey>(
        r#"{"key":"agent","actions":["transfer"],"counterparties":["x"],"budget":1,"period_seconds":2,"lasts_seconds":3}"#,
    );
    wire::<GrantedKey>(r#"{"key":"$ID","account":"$ADDR","tx":"$ID","height":3}"#);
    wire::<RevokedKey>(r#"{"key":"agent"}"#);
    wire::<Rotation>(r#"{"guardian":"$ADDR","recovery_seconds":5}"#);
    wire::<RotatedKey>(r#"{"address":"$ADDR","public_key":"$ID","tx":"$ID"}"#);
    wire::<NewRecovery>(r#"{"guardian":"friend","owners":["$ID"]}"#);
    wire::<BegunRecovery>(r#"{"due":5,"tx":"$ID"}"#);
    wire::<AccountView>(
        r#"{"address":"$ADDR","balance":1,"name":"a","node":"$ID","stake":2,"unbonding":3,"reputation":10000}"#,
    );
    wire::<AccountView>(
        r#"{"address":"$ADDR","balance":1,"name":null,"node":null,"stake":0,"unbonding":0,"reputation":null}"#,
    );
    for (role, by) in [
        ("contributor", r#""weight_ppm_sum":3,"#),
        ("contributor", r#""netted":{"model":"$ID","share_ppm":3,"worth_left":5},"#),
        ("storage", r#""netted":{"worth_left":5},"#),
        ("owner", ""),
        ("lineage", ""),
        ("validator", ""),
        ("treasury", ""),
    ] {
        wire::<Earnings>(&format!(
            r#"{{"earned":9,"claimed":4,"claimable":5,"pending":6,"next_final":7,"lines":[{{"node":"$ID","epoch":1,"role":"{role}","datanet":"$ID",
            "contribution":"$ID","answers":2,{by}"amount":4,"why":"w"}}],"missing":[{{"node":"$ID","epochs":2,"reason":"r"}}]}}"#
        ));
    }
    wire::<Claims>(
        r#"{"claims":[{"node":"$ID","epochs":2,"amount":4,"tx":"$ID"}],"total":4,
        "failed":[{"node":"$ID","epochs":3,"reason":"r"}]}"#,
    );
    wire::<NewStake>(r#"{"stake":5}"#);
    wire::<Supply>(r#"{"supply":1,"minted":1,"height":2}"#);
    wire::<NewTransfer>(r#"{"from":"node","to":"$ADDR","amount":3}"#);
    wire::<Sent>(r#"{"tx":"$ID","height":3}"#);
    wire::<Submitted>(r#"{"hash":"$ID"}"#);
    wire::<Encoded>(r#"{"tx":"AAAA"}"#);
    wire::<TxView>(
        r#"{"hash":"$ID","height":3,"codespace":"","code":0,"log":"","events":[{"kind":"transfer"}],"gas_used":9}"#,
    );
    wire::<Estimate>(r#"{"gas_used":9,"fee":1000,"events":[{"kind":"transfer"}]}"#);
    wire::<RunFile>(
        r#"{"pid":1,"api":"http://127.0.0.1:1","name":"n","node_key":"$ID","p2p":[],"comet_rpc":null,"comet_p2p":null,"join":null,
        "comet_pid":null}"#,
    );
    wire::<Problem>(
        r#"{"type":"urn:datanet:problem:x","title":"Conflict","status":409,"code":"x","detail":"d","error":{"message":"d",
        "type":"invalid_request_error","code":"x","param":null}}"#,
    );
}

#[test]
fn datanets_contributions_and_search() {
    let schema =
        r#"{"fields":[{"name":"t","kind":"string","role":"text","required":true,"max_bytes":0,"allowed":[]}]}"#;
    wire::<Datanets>(&format!(
        r#"{{"datanets":[{{"id":"$ID","name":"birds","description":"","schema":{schema},"licence":"CC0-1.0","price":1,
        "token_price":19,"step_price":20,"accept_threshold":2,"committee_size":3,"storage_quorum":4,"holdout":"$ID","holdout_size":5,"holdout_number":15,
        "next_holdout":{{"holdout":"$ID","holdout_size":16,"from":17}},"min_bond":6,
        "creator":"$ADDR","created_height":7,"deposit":18,"contributions":8,"final_contributions":9,"refused":10,"records":11,"bytes":12,
        "revoked":13,"history":14}}]}}"#
    ));
    wire::<NewDatanet>(&format!(
        r#"{{"name":"birds","description":"","schema":{schema},"licence":"CC0-1.0","price":1,"token_price":6,"step_price":7,"accept_threshold":2,
        "committee_size":3,"storage_quorum":4,"min_bond":5,"holdout":"{{}}","account":null}}"#
    ));
    wire::<CreatedDatanet>(r#"{"id":"$ID","name":"birds","deposit":1,"tx":"$ID"}"#);
    wire::<ClosedDatanet>(r#"{"id":"$ID","name":"birds","deposit":1,"tx":"$ID"}"#);
    wire::<NewHoldout>(r#"{"holdout":"{}"}"#);
    wire::<RotatedHoldout>(r#"{"id":"$ID","number":1,"holdout":"$ID","from":2,"tx":"$ID"}"#);
    wire::<HistoryParams>(r#"{"after":1,"limit":null}"#);
    wire::<History>(
        r#"{"latest":{"datanet":"$ID","count":1,"digest":"$ID"},"entries":[{"contribution":"$ID","change":"final",
        "digest":"$ID","height":2}],"next":3}"#,
    );
    wire::<DebtsParams>(r#"{"releases":3}"#);
    wire::<Debts>(
        r#"{"releases":3,"contributions":[{"contribution":"$ID","contributor":"$ADDR","releases":[{"model":"$ID",
        "name":"owl","answers":20,"owed":5}],"owed":5,"lasting":true,"held_out_records":64,"held_out_worth":-7,
        "elsewhere":1,"left_out":true,"why":"w"}]}"#,
    );
    wire::<ContributeParams>(r#"{"account":"alice","bond":7,"map":"text=t","ignore":"idx"}"#);
    wire::<Accepted>(
        r#"{"id":"$ID","blob":"$ID","size":1,"records":2,"record_root":"$ID","tx":"$ID","state":"judging"}"#,
    );
    wire::<ListParams>(r#"{"state":"final","limit":1,"after":2}"#);
    let scores = r#"{"validity":1,"quality":2,"uniqueness":3,"usefulness":4}"#;
    let view = |rest: &str, disputed: &str, reports: &str| {
        format!(
            r#"{{"id":"$ID","datanet":"$ID","contributor":"$ADDR","blob":"$ID","size":1,"format":"jsonl","records":2,
            "record_root":"$ID","bond":3,"seq":4,"state":"final","height":5,"final_height":null,{rest}"attestations":6,
            "scores":{scores},"combined":7,"threshold":8,"reason":"r",{disputed}"committee":[{{"validator":"$ADDR","node":"$ID",
            "seats":2,"weight_bps":9,"committed":true,"revealed":true,"scores":{scores},"unavailable":false,"report":"$ID"}}]{reports}}}"#
        )
    };
    let disputed = r#""challenge_until":7,"challenge_deposit":3,
        "challenge":{"challenger":"$ADDR","deposit":3,"outcome":"open"},"#;
    let taken_back = view(r#""revoked_height":9,"#, disputed, "");
    let reported = view("", "", r#","reports":[{"b": 1, "a":2}]"#);
    wire::<Contributions>(&format!(r#"{{"contributions":[{taken_back},{reported}],"next":4}}"#));
    wire::<Revoked>(r#"{"id":"$ID","state":"revoked","height":1,"tx":"$ID"}"#);
    wire::<contributions::PageParams>(r#"{"offset":1,"limit":2}"#);
    wire::<RecordsPage>(r#"{"total":2,"records":[{"t": "x"},{"t":1.50}]}"#);
    wire::<SearchParams>(r#"{"q":"owl","datanet":null,"mode":"semantic","limit":3}"#);
    wire::<Hits>(
        r#"{"hits":[{"datanet":"$ID","contribution":"$ID","record":1,"score":0.25,"text":"t","label":null,
        "snippet":{"text":"t","highlights":[{"start":0,"end":1}]}}]}"#,
    );
}

#[test]
fn models_and_the_jobs_that_make_them() {
    let model = |more: &str| {
        format!(
            r#"{{"id":"birds","object":"model","created":1,"owned_by":"nobody","model_id":"$ID","name":"birds","owner":null,
            "deployed":true,"names":["birds"],{more}"ledger":{{"id":"$ID","owner":"$ADDR","name":"birds","parents":["$ID"],
            "datanets":["$ID"],"licence":"MIT","registered_height":1,"snapshots":[{{"datanet":"$ID","count":1,
            "digest":"$ID"}}],"evaluation":[{{"name":"accuracy","value":2}}],"release":true,"manifest":"$ID","tainted":true,
            "taint":[{{"model":"$ID","contribution":"$ID","height":3}}]}},"tainted":true,"price":5,"token_price":6"#
        )
    };
    let (own, other) = (model(r#""dimensions":384,"max_tokens":256,"#), model(""));
    wire::<ModelList>(&format!(r#"{{"object":"list","data":[{own}}},{other}}}]}}"#));
    let manifest = json_of(&Release { name: "birds".into(), ..Release::default() });
    wire::<ModelDetails>(&format!(
        r#"{other},"manifest":{manifest},"gate":{{"method":"influence","lds":1,"leave_one_out":2,"pay":3,"subsets":4,"contributors":5,
        "passed":true,"compared":[{{"method":"forward-replay","lds":1,"leave_one_out":2,"pay":3,"passed":false}}],"halves":4,
        "verdict":"passed","reason":"r","why":"w"}},"lineage":[{{"model_id":"$ID","name":"m","owner":"$ADDR",
        "licence":"MIT"}}]}}"#
    ));
    wire::<ModelsParams>(r#"{"deployed":true}"#);
    wire::<NewModel>(r#"{"name":"m","licence":"MIT","account":null}"#);
    wire::<NewImport>(r#"{"folder":"f","name":"m","licence":null,"account":"alice"}"#);
    wire::<Imported>(r#"{"model":"$ID","name":"m","task":"classify","labels":["a"],"dimensions":2}"#);
    wire::<Registered>(r#"{"model":"$ID","tx":"$ID"}"#);
    wire::<Deploy>(r#"{"name":"m"}"#);
    wire::<Deployed>(r#"{"name":"m","model":"$ID","before":["$ID"]}"#);
    wire::<Deleted>(r#"{"id":"$ID","object":"model","deleted":true,"names":["m"],"models":["$ID"]}"#);
    wire::<Verify>(r#"{"stretches":2}"#);
    wire::<ExportParams>(r#"{"format":"onnx-adapter"}"#);
    for format in [ExportFormat::Peft, ExportFormat::Onnx, ExportFormat::OnnxAdapter, ExportFormat::Transformers] {
        assert_eq!(json_of(&format), format!("\"{format}\""), "it is called in words as it is on the wire");
    }
    wire::<Pull>(r#"{"stream":true}"#);
    let pulled = |text: &str| serde_json::from_str::<PullUpdate>(&text.replace("$ID", &"5e".repeat(32))).unwrap();
    let progress = r#"{"file":"f","files":1,"of_files":2,"bytes":3,"of_bytes":4}"#;
    let done = r#"{"model":"$ID","name":"m","files":2,"bytes":4,"base":null,"base_here":true}"#;
    let failed = r#"{"error":{"message":"m","type":"server_error","code":"io","param":null}}"#;
    [progress, done, failed].into_iter().for_each(wire::<PullUpdate>);
    assert!(matches!(pulled(progress), PullUpdate::Progress(_)));
    assert!(matches!(pulled(done), PullUpdate::Done(_)) && matches!(pulled(failed), PullUpdate::Failed { .. }));
    wire::<Removed>(r#"{"model":"$ID","name":"m","files":2,"bytes":5,"bytes_later":4}"#);
    wire::<NewFineTuningJob>(
        r#"{"model":"m","training_file":null,"validation_file":null,"hyperparameters":{"n_epochs":2.0,"batch_size":"auto",
        "learning_rate_multiplier":null},"method":{"type":"supervised","supervised":{"hyperparameters":null}},"suffix":"s",
        "seed":1,"metadata":{"a":"b"},"datanets":["birds",{"datanet":"fish","count":3}],
        "job":{"task":"classify"},"account":null,"licence":"MIT"}"#,
    );
    wire::<fine_tuning::PageParams>(r#"{"after":"a","limit":1,"stream":true}"#);
    for state in ["queued", "running", "succeeded", "failed", "cancelled"] {
        let job = format!(
            r#"{{"object":"fine_tuning.job","id":"ftjob-1","model":"m","created_at":1,"finished_at":2,"estimated_finish":null,
            "fine_tuned_model":"$ID","organization_id":"datanet","result_files":[],"status":"{state}","training_file":"birds",
            "validation_file":null,"hyperparameters":{{"n_epochs":2}},"method":{{"type":"supervised"}},"trained_tokens":3,
            "integrations":[],"seed":4,"error":{{"code":"c","message":"m","param":null}},"metadata":{{"a":"b"}},
            "release":"$ID","name":"n","snapshots":[{{"datanet":"$ID","count":1,"digest":"$ID"}}],"job":{{"task":"embed"}},
            "progress":{{"phase":"training","step":1,"steps":2,"loss":0.5,"seconds_left":1.5,"memory_bytes":null}},
            "evaluation":{{"accuracy":0.5}},"verifies":"$ID","verdict":{{"passed":true}},"account":"node"}}"#
        );
        wire::<JobUpdate>(&job);
        let ends = r#""first_id":"ftjob-1","last_id":"ftjob-1","has_more":false"#;
        wire::<Page<FineTuningJob>>(&format!(r#"{{"object":"list","data":[{job}],{ends}}}"#));
    }
    for level in ["info", "warn", "error"] {
        wire::<JobUpdate>(&format!(
            r#"{{"object":"fine_tuning.job.event","id":"e","created_at":1,"level":"{level}","message":"m","type":"metrics",
            "data":{{"kind":"step","loss":0.5}}}}"#
        ));
    }
    wire::<FineTuningCheckpoint>(
        r#"{"object":"fine_tuning.job.checkpoint","id":"c","created_at":1,"fine_tuning_job_id":"ftjob-1",
        "fine_tuned_model_checkpoint":"ftjob-1:step-2","step_number":2,"metrics":{"step":2}}"#,
    );
}

#[test]
fn trainings_that_are_bought() {
    let quote = r#"{"node":"$ID","kind":"train","subject":"$ID","price":5,"payload":"$ID","expires_at":9,"signature":"$SIG",
        "rate":{"answer":1,"thousand":0,"step":2}}"#;
    wire::<TrainingRequest>(&format!(
        r#"{{"datanet":"birds","count":3,"base":"m","job":{{"task":"classify"}},"name":"owl",
        "voucher":{{"channel":"$ID","cumulative":5,"signature":"$SIG"}},"quote":{quote}}}"#
    ));
    wire::<TrainingRequest>(r#"{"datanet":"birds","base":"m","job":{}}"#);
    wire::<TrainingQuoted>(&format!(r#"{{"quote":{quote},"steps":18,"count":3,"seconds":3600}}"#));
    let of = |status: &str, payment: &str, more: &str| {
        format!(
            r#"{{"id":"ftjob-1","status":"{status}","payment":"{payment}","created_at":1,"until":2,"base":"m","name":"owl",
            "rate":{{"answer":1,"thousand":0,"step":2}},"most_steps":18,
            "progress":{{"phase":"training","step":1,"steps":2,"loss":0.5,"seconds_left":1.5,"memory_bytes":null}}{more}}}"#
        )
    };
    wire::<TrainingView>(&of("running", "held", ""));
    let paid = of("succeeded", "taken", r#","evaluation":{"accuracy":0.5},"receipt":"$ID","fee":37,"manifest":"$ID""#);
    wire::<TrainingView>(&paid);
    let failed = r#"{"id":"ftjob-1","status":"failed","payment":"released","reason":"r","created_at":1,"until":2,"base":"m","name":"owl",
        "rate":{"answer":1,"thousand":0,"step":2},"most_steps":18,
        "progress":{"phase":"","step":0,"steps":0,"loss":null,"seconds_left":null,"memory_bytes":null},
        "error":{"code":"c","message":"m","param":null}}"#;
    wire::<TrainingView>(failed);
    wire::<TrainingFileParams>(r#"{"name":"transcript.json"}"#);
    wire::<NewBoughtModel>(r#"{"receipt":"$ID","account":"alice"}"#);
    wire::<BoughtModel>(r#"{"model":"$ID","name":"owl"}"#);
}

#[test]
fn payments_beside_a_request() {
    let way = r#"{"scheme":"exact","network":"datanet:c","amount":"5","asset":"native","payTo":"$ADDR","maxTimeoutSeconds":300,
        "extra":{"nonce":"7"}}"#;
    let resource = r#"{"url":"http://n/v1/ask","description":"d","mimeType":"application/json"}"#;
    wire::<PaymentRequired>(&format!(
        r#"{{"x402Version":2,"error":"e","resource":{resource},"accepts":[{way}],"extensions":{{"a":1}}}}"#
    ));
    let payment = format!(
        r#"{{"x402Version":2,"resource":{resource},"accepted":{way},"payload":{{"transaction":"AA=="}},"extensions":null}}"#
    );
    wire::<PaymentPayload>(&payment);
    wire::<ExactPayload>(r#"{"transaction":"AA=="}"#);
    let voucher = r#"{"channelId":"$ID","maxClaimableAmount":"5","signature":"$SIG"}"#;
    wire::<ChannelPayload>(&format!(r#"{{"type":"voucher","voucher":{voucher}}}"#));
    wire::<ChannelPayload>(&format!(r#"{{"type":"deposit","transaction":"AA==","voucher":{voucher}}}"#));
    wire::<FacilitatorRequest>(&format!(
        r#"{{"x402Version":2,"paymentPayload":{payment},"paymentRequirements":{way}}}"#
    ));
    wire::<VerifyResponse>(r#"{"isValid":true,"payer":"$ADDR"}"#);
    wire::<VerifyResponse>(r#"{"isValid":false,"invalidReason":"bad_voucher","invalidMessage":"m"}"#);
    wire::<SettleResponse>(
        r#"{"success":true,"payer":"$ADDR","transaction":"$ID","network":"datanet:c","amount":"5","extensions":{"a":1},
        "extra":{"receipt":"$ID"}}"#,
    );
    wire::<SettleResponse>(
        r#"{"success":false,"errorReason":"not_served","errorMessage":"m","transaction":"","network":"datanet:c"}"#,
    );
    wire::<Supported>(
        r#"{"kinds":[{"x402Version":2,"scheme":"exact","network":"datanet:c","extra":{"a":1}}],"extensions":["e"],
        "signers":{"datanet:c":["$ID"]}}"#,
    );
    wire::<DiscoveryParams>(r#"{"limit":1,"offset":2,"type":"http","scheme":"exact","network":"datanet:c"}"#);
    wire::<Discovery>(&format!(
        r#"{{"x402Version":2,"lastUpdated":1,"items":[{{"resource":"http://n/v1/ask","type":"http","x402Version":2,
        "accepts":[{way}],"lastUpdated":1,"input":{{"method":"POST"}}}}],"pagination":{{"limit":1,"offset":2,"total":3}}}}"#
    ));
}

#[test]
fn answers_and_what_proves_and_pays_them() {
    let voucher = r#"{"channel":"$ID","cumulative":1,"signature":"$SIG"}"#;
    let record = AnswerRecord::default();
    let receipt = json_of(&ReceiptView::from(record.clone()));
    wire::<AskRequest>(&format!(
        r#"{{"datanet":"birds","question":"q","text":null,"neighbours":3,"voucher":{voucher},"account":null,"quote":null}}"#
    ));
    wire::<Answer>(&format!(
        r#"{{"answer":"a","label":"owl","passages":[{{"contribution":"$ID","record":1,"weight":2,"label":null,"text":"t"}}],
        "fee":3,"receipt":{receipt}}}"#
    ));
    wire::<ReceiptView>(&receipt);
    let (input, output) = (json_of(&record.input), json_of(&record.output));
    wire::<AnswerRecordView>(&format!(
        r#"{{"receipt":{receipt},"input":{input},"output":{output},
        "attribution":"influence","tainted":false,"record":"00"}}"#
    ));
    wire::<IssuedReceipts>(
        r#"{"receipts":[{"sequence":1,"id":"$ID","fee":5,"payer":"$ADDR"},{"sequence":1,"id":"$ID","fee":0,"payer":null}]}"#,
    );
    wire::<Verification>(
        r#"{"verdict":"match","difference_ppm":0,"tolerance_ppm":1,"details":"","checks":[{"name":"signature","ok":true,
        "detail":"d"}]}"#,
    );
    wire::<Attributed>(
        r#"{"receipt":"$ID","method":"span","proves":"p","tainted":false,"input":"i","answer":"a","gate":null,"contributions":[
        {"contribution":"$ID","contributor":"$ADDR","value":-1,"worth":0,"weight":2}],"without":[{"contribution":"$ID","weight":1,
        "effect":2,"label":null,"answer_changed":true}],"helpful":[{"contribution":"$ID","record":1,"value":2,"label":null,
        "text":"t"}],"harmful":[]}"#,
    );
    for input in [r#""one""#, r#"["one","two"]"#] {
        wire::<ClassifyRequest>(&format!(
            r#"{{"model":"m","input":{input},"explain":true,"counterfactual":false,"voucher":{voucher},"account":null,"quote":null}}"#
        ));
        wire::<EmbeddingsRequest>(&format!(
            r#"{{"input":{input},"model":null,"encoding_format":"base64","dimensions":384}}"#
        ));
    }
    wire::<Classifications>(&format!(
        r#"{{"object":"list","model":"m","model_id":"$ID","data":[{{"object":"classification","index":0,"label":"owl",
        "probabilities":[{{"label":"owl","probability":0.75}}],"fee":1,"receipt":{receipt},"attribution":"influence",
        "tainted":false,"influence":[{{"contribution":"$ID","value":-1,"worth":2}}],"counterfactual":[
        {{"contributor":"$ADDR","contributions":["$ID"],"label":"owl","probabilities":[]}}]}}],"usage":{{"prompt_tokens":1,
        "total_tokens":1}}}}"#
    ));
    wire::<EmbeddingsReply>(
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]}],"model":"m",
        "usage":{"prompt_tokens":1,"total_tokens":1},"datanet":{"tainted":true}}"#,
    );
    wire::<NewChannel>(r#"{"account":"alice","node":"$ID","deposit":5,"seconds":null}"#);
    wire::<OpenedChannel>(r#"{"channel":"$ID","tx":"$ID"}"#);
    wire::<ChannelParams>(r#"{"account":"alice"}"#);
    wire::<Channels>(
        r#"{"channels":[{"id":"$ID","payer":"$ADDR","voucher_key":"$ID","node":"$ID","deposit":1,"charged":2,"expires_at":3,"ends_at":8,
        "opened_height":4,"closed_height":5,"closing_at":7,"promised":6}]}"#,
    );
    wire::<TopUp>(r#"{"amount":5,"seconds":700}"#);
    wire::<ToppedUp>(r#"{"tx":"$ID","deposit":5,"expires_at":9}"#);
    for statement in ["null", r#"{"channel":"$ID","charged":5,"signature":"$SIG"}"#] {
        wire::<Closing>(&format!(r#"{{"statement":{statement}}}"#));
    }
    for closes_at in ["null", "1700000000"] {
        wire::<ClosedChannel>(&format!(r#"{{"tx":"$ID","closes_at":{closes_at}}}"#));
    }
    wire::<SettledEpoch>(&format!(
        r#"{{"epoch":1,"root":"$ID","totals":{},"statement":"$ID","tx":null}}"#,
        json_of(&datanet_types::epoch::EpochTotals::default())
    ));
    let audit = r#"{"challenger":"$ADDR","deposit":5,"phase":"commit","round":0,"commit_deadline":9,"reveal_deadline":0,
        "committee":[{"account":"$ADDR","node":"$ID","seats":7,"committed":true,"said":"nothing","reward":0}]}"#;
    for audit in ["null", audit] {
        wire::<Epochs>(&format!(
            r#"{{"epochs":[{{"id":"$ID-1","node":"$ID","epoch":1,"status":"open","final_at":7,"quorum":2,"attestations":1,
            "keepers":["$ID"],"attest_by":9,"waits_for":"w","unkept":false,"carries":2,"challenges":1,"challenge":10,"height":3,
            "totals":{},"accounts":2,"root":"$ID","receipts":"$ID","statement":"$ID","audit":{audit}}}]}}"#,
            json_of(&datanet_types::epoch::EpochTotals::default())
        ));
    }
    wire::<EpochCheck>(r#"{"finding":"correct","reason":"r","receipts":3,"recomputed":2,"suspects":[1]}"#);
    wire::<Doubt>(r#"{"account":"alice","suspects":[0,7]}"#);
    wire::<InTheNameOf>(r#"{"account":"alice"}"#);
    wire::<Challenged>(r#"{"deposit":5,"tx":"$ID"}"#);
    wire::<ProvenForgery>(r#"{"epoch":"$ID-1","settled":"$ID","tx":"$ID"}"#);
}

#[test]
fn requests_for_text() {
    let shared = r#""model":"m","max_tokens":1,"temperature":0.5,"top_p":null,"seed":2,"stop":"\n","n":2,"response_format":null,"stream":true,
        "stream_options":{"include_usage":true},"voucher":null,"account":null,"quote":null,"user":"alice""#;
    let text = json!("What eats an owl?");
    for content in ["null".to_owned(), text.to_string(), format!(r#"[{{"type":"text","text":{text}}}]"#)] {
        wire::<ChatRequest>(&format!(
            r#"{{{shared},"messages":[{{"role":"user","content":{content}}}],"max_completion_tokens":null,"logprobs":true,
            "top_logprobs":2}}"#
        ));
    }
    wire::<CompletionRequest>(&format!(r#"{{{shared},"prompt":{text},"logprobs":null}}"#));
}

#[test]
fn proposals_votes_and_upgrades() {
    wire::<NewVote>(r#"{"account":null,"choice":"veto"}"#);
    for change in [
        r#"{"kind":"text"}"#,
        r#"{"kind":"params","numbers":{"min_fee":2000}}"#,
        r#"{"kind":"spend","to":"$ADDR","amount":5}"#,
        r#"{"kind":"upgrade","version":2,"height":9,"binaries":{"x86_64-linux":"$ID"}}"#,
        r#"{"kind":"retire_authority"}"#,
        r#"{"kind":"reset","component":"channels"}"#,
    ] {
        wire::<NewProposal>(&format!(
            r#"{{"account":null,"title":"t","reason":"r","deposit":null,"change":{change}}}"#
        ));
        let view = format!(
            r#"{{"number":1,"status":"voting","title":"t","reason":"r","proposer":"$ADDR","deposit":5,"height":7,"change":{change},"#
        );
        let rest = r#""mark":8,"ends":9,"extended":false,"due":null,"tally":{"yes":1,"no":2,"abstain":3,"veto":4,"bonded":10},"passes":false}"#;
        wire::<ProposalView>(&format!("{view}{rest}"));
        wire::<Proposals>(&format!(r#"{{"deposit":5,"proposals":[{view}{rest}]}}"#));
    }
    wire::<UpgradeView>(r#"{"version":1,"knows":1,"planned":null}"#);
    wire::<UpgradeView>(
        r#"{"version":1,"knows":1,"planned":{"proposal":1,"version":2,"height":9,"binaries":{"x86_64-linux":"$ID"}}}"#,
    );
}
