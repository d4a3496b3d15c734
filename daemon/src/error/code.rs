//! Every reason for which an operation is refused or fails: stable, machine-readable, each of one kind.

use super::ErrorKind;

macro_rules! codes {
    ($($kind:ident { $($name:ident = $text:literal,)* })*) => {
        /// Why, for programs: as kebab-case text it is the last part of a problem's type, and part of the interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "a code says what it means; the sentence beside it in each error says the rest")]
        pub enum Code { $($($name,)*)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$name,)*)*];

            /// The code as the interface shows it: `unknown-datanet`.
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$name => $text,)*)* }
            }

            /// What kind of refusal or failure it is.
            pub fn kind(self) -> ErrorKind {
                match self { $($(Self::$name => ErrorKind::$kind,)*)* }
            }
        }
    };
}

codes! {
    BadRequest {
        BadBody = "bad-body",
        BadHeader = "bad-header",
        BadId = "bad-id",
        BadIdempotencyKey = "bad-idempotency-key",
        BadKeyName = "bad-key-name",
        BadName = "bad-name",
        BadParameter = "bad-parameter",
        BadPayment = "bad-payment",
        BadPath = "bad-path",
        BadQuery = "bad-query",
        BodyBrokeOff = "body-broke-off",
        ClientLeft = "client-left",
        ContextTooLong = "context-too-long",
        EmptyInput = "empty-input",
        EmptyText = "empty-text",
        JsonSchema = "json-schema",
        Prompt = "prompt",
        Sampling = "sampling",
        TwoPayments = "two-payments",
        WhatToAsk = "what-to-ask",
    }
    Unauthorized {
        Token = "token",
        TokenEnded = "token-ended",
    }
    PaymentRequired {
        BadQuote = "bad-quote",
        BadTransfer = "bad-transfer",
        BadVoucher = "bad-voucher",
        ChannelExhausted = "channel-exhausted",
        ChannelExpired = "channel-expired",
        ForeignChannel = "foreign-channel",
        InsufficientFunds = "insufficient-funds",
        NoChannel = "no-channel",
        OtherPayment = "other-payment",
        PaymentRequired = "payment-required",
        QuoteExpired = "quote-expired",
        TokenLimit = "token-limit",
        WrongVoucherAmount = "wrong-voucher-amount",
    }
    Forbidden {
        Denied = "denied",
        ForeignAccount = "foreign-account",
        ForeignContribution = "foreign-contribution",
        ForeignDatanet = "foreign-datanet",
        ForeignHost = "foreign-host",
        ForeignNode = "foreign-node",
        ForeignOrigin = "foreign-origin",
        NotOnThePublicFace = "not-on-the-public-face",
        NotYourChannel = "not-your-channel",
        Scope = "scope",
        TrainingDisabled = "training-disabled",
    }
    NotFound {
        NoGenesis = "no-genesis",
        NoToken = "no-token",
        NotDeployed = "not-deployed",
        NotImported = "not-imported",
        NotSold = "not-sold",
        Revoked = "revoked",
        UnknownAgent = "unknown-agent",
        UnknownChannel = "unknown-channel",
        UnknownContribution = "unknown-contribution",
        UnknownDatanet = "unknown-datanet",
        UnknownEpoch = "unknown-epoch",
        UnknownFolder = "unknown-folder",
        UnknownJob = "unknown-job",
        UnknownKey = "unknown-key",
        UnknownModel = "unknown-model",
        UnknownProposal = "unknown-proposal",
        UnknownPool = "unknown-pool",
        UnknownShares = "unknown-shares",
        UnknownReceipt = "unknown-receipt",
        UnknownRoute = "unknown-route",
        UnknownToken = "unknown-token",
        UnknownTransaction = "unknown-transaction",
        UnknownValidator = "unknown-validator",
    }
    WrongMethod {
        WrongMethod = "wrong-method",
    }
    Conflict {
        AlreadyContributed = "already-contributed",
        AnswerUnderWay = "answer-under-way",
        AmbiguousName = "ambiguous-name",
        ChannelOpen = "channel-open",
        ContributionRevoked = "contribution-revoked",
        RefusedForGood = "refused-for-good",
        JobOver = "job-over",
        KeyExists = "key-exists",
        NoForgery = "no-forgery",
        NotAnOwner = "not-an-owner",
        KeyringFull = "keyring-full",
        ModelInUse = "model-in-use",
        NameTaken = "name-taken",
        NothingBefore = "nothing-before",
        NothingToSettle = "nothing-to-settle",
        OtherGenesis = "other-genesis",
        OtherSnapshot = "other-snapshot",
        PaymentSpent = "payment-spent",
        StaleVoucher = "stale-voucher",
        TokenExists = "token-exists",
        TransactionReplayed = "transaction-replayed",
        VoucherSpent = "voucher-spent",
    }
    TooLarge {
        AnswerTooLong = "answer-too-long",
        BodyTooLarge = "body-too-large",
        PromptTooLong = "prompt-too-long",
        TextTooLong = "text-too-long",
        TooManyTexts = "too-many-texts",
        TransactionTooLarge = "transaction-too-large",
    }
    Unsupported {
        UnknownFormat = "unknown-format",
        UnsupportedMediaType = "unsupported-media-type",
    }
    Unprocessable {
        AgentRefused = "agent-refused",
        BadAdapter = "bad-adapter",
        BadBase = "bad-base",
        BadBaseModel = "bad-base-model",
        BadCorpus = "bad-corpus",
        BadData = "bad-data",
        BadField = "bad-field",
        BadHoldout = "bad-holdout",
        BadJob = "bad-job",
        BadLicence = "bad-licence",
        BadModel = "bad-model",
        BadReceipt = "bad-receipt",
        BadRecords = "bad-records",
        BadRelease = "bad-release",
        BadSale = "bad-sale",
        BadSchema = "bad-schema",
        BadStatement = "bad-statement",
        BadTransaction = "bad-transaction",
        BaseDoesNotFit = "base-does-not-fit",
        BaseIsAnAdapter = "base-is-an-adapter",
        BondTooSmall = "bond-too-small",
        ChannelTooShort = "channel-too-short",
        IdempotencyKeyReused = "idempotency-key-reused",
        JobTooLarge = "job-too-large",
        LicenceForbids = "licence-forbids",
        LicenceNotAccepted = "licence-not-accepted",
        MissingField = "missing-field",
        NoClassifier = "no-classifier",
        NoData = "no-data",
        NoDecoder = "no-decoder",
        NoEmbeddings = "no-embeddings",
        NoHead = "no-head",
        NoRelease = "no-release",
        NotAttributed = "not-attributed",
        NotExportable = "not-exportable",
        NotExported = "not-exported",
        NotFinite = "not-finite",
        NotTrained = "not-trained",
        TooManyContributors = "too-many-contributors",
        TransactionRefused = "transaction-refused",
        UnknownCursor = "unknown-cursor",
        UnknownSnapshot = "unknown-snapshot",
    }
    Overloaded {
        MempoolFull = "mempool-full",
        RateLimited = "rate-limited",
        ModelBusy = "model-busy",
        TooManyJobs = "too-many-jobs",
        TooManyRequests = "too-many-requests",
        TooManyStreams = "too-many-streams",
        Unsettled = "unsettled",
    }
    Internal {
        BadGenesis = "bad-genesis",
        BadKeyFile = "bad-key-file",
        BeaconKey = "beacon-key",
        BlobStore = "blob-store",
        CometbftHome = "cometbft-home",
        Events = "events",
        Explainer = "explainer",
        Gather = "gather",
        Genesis = "genesis",
        Home = "home",
        Index = "index",
        Io = "io",
        Job = "job",
        JobLost = "job-lost",
        Json = "json",
        Judge = "judge",
        JudgementLost = "judgement-lost",
        KeyEncoding = "key-encoding",
        Ledger = "ledger",
        LedgerState = "ledger-state",
        LocalStore = "local-store",
        Metrics = "metrics",
        ModelFailed = "model-failed",
        ModelsFolder = "models-folder",
        NoRandomness = "no-randomness",
        NoSampling = "no-sampling",
        NoThread = "no-thread",
        NodeEnded = "node-ended",
        NodeKey = "node-key",
        OverCharge = "over-charge",
        Panic = "panic",
        ReadRecords = "read-records",
        Record = "record",
        Release = "release",
        Reply = "reply",
        Report = "report",
        Runs = "runs",
        Spans = "spans",
        Statement = "statement",
        StepPanicked = "step-panicked",
        StoredReply = "stored-reply",
        TrainingBrokeOff = "training-broke-off",
        TrainingFailed = "training-failed",
        Upload = "upload",
    }
    Unavailable {
        Behind = "behind",
        BlobNotHere = "blob-not-here",
        BlobUnavailable = "blob-unavailable",
        CatchingUp = "catching-up",
        ComponentStopped = "component-stopped",
        ConsensusUnreachable = "consensus-unreachable",
        ModelLoading = "model-loading",
        ModelStopped = "model-stopped",
        NoBlocks = "no-blocks",
        NoModel = "no-model",
        NoRuntime = "no-runtime",
        NotIndexed = "not-indexed",
        NotReady = "not-ready",
        ShuttingDown = "shutting-down",
    }
    TimedOut {
        TookTooLong = "took-too-long",
        TransactionExpired = "transaction-expired",
    }
    StorageFull {
        DiskFull = "disk-full",
        OutOfMemory = "out-of-memory",
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_one_word_of_its_own() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        let plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(words.iter().all(|word| word.chars().all(plain)));
    }
}
