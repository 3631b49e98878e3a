//! The pipeline files that come with the program.

/// Name and text of each, sorted by name.
pub const SHIPPED: [(&str, &str); 14] = [
    (
        "cross-corpus",
        include_str!("../../pipelines/cross-corpus.toml"),
    ),
    ("demo", include_str!("../../pipelines/demo.toml")),
    ("emodb", include_str!("../../pipelines/emodb.toml")),
    ("emodb-2s", include_str!("../../pipelines/emodb-2s.toml")),
    ("emodb-520", include_str!("../../pipelines/emodb-520.toml")),
    (
        "emodb-520-sensitivity",
        include_str!("../../pipelines/emodb-520-sensitivity.toml"),
    ),
    (
        "emodb-four",
        include_str!("../../pipelines/emodb-four.toml"),
    ),
    (
        "emodb-steps",
        include_str!("../../pipelines/emodb-steps.toml"),
    ),
    ("iemocap", include_str!("../../pipelines/iemocap.toml")),
    (
        "iemocap-improvised",
        include_str!("../../pipelines/iemocap-improvised.toml"),
    ),
    ("ravdess", include_str!("../../pipelines/ravdess.toml")),
    (
        "ravdess-recipes",
        include_str!("../../pipelines/ravdess-recipes.toml"),
    ),
    (
        "ravdess-reimplementation",
        include_str!("../../pipelines/ravdess-reimplementation.toml"),
    ),
    (
        "ravdess-steps",
        include_str!("../../pipelines/ravdess-steps.toml"),
    ),
];
