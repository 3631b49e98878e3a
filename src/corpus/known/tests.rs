use std::collections::BTreeSet;

use super::*;
use crate::corpus::{Sex, Source, UNKNOWN_SPEAKER};

/// A few names of each corpus, written out by hand, with the id, the emotion and the speaker that
/// they tell; `-` for an unknown speaker.
const NAMES: &str = "
aesdd | anger/a01 (1).wav | a01 (1) | anger | 1
aesdd | disgust/d03 (5)b.wav | d03 (5)b | disgust | 5
aesdd | disgust/d03 (01).wav | d03 (01) | disgust | 1
ased | 04Sad/S4-03-01-02-64.wav | S4-03-01-02-64 | sadness | 64
asvp-esd | Audio/actor_53/03-01-02-02-01-53-02-02-02.wav | 03-01-02-02-01-53-02-02-02 | neutral | -
banglaser | 03-01-04-02-03-01-34.wav | 03-01-04-02-03-01-34 | surprise | 34
cafe | Col\u{8a}re/Fort/11-C-2-4.wav | 11-C-2-4 | anger | 11
casia | CASIA/wangzhe/neutral/233.wav | wangzhe-neutral-233 | neutral | wangzhe
crema-d | AudioWAV/1091_IEO_HAP_MD.wav | 1091_IEO_HAP_MD | happiness | 1091
emotale | wav/DK_004_A_5.wav | DK_004_A_5 | anger | 004
emov-db | bea_Sleepy/sleepiness_421-448_0429.wav | bea-sleepiness-0429 | sleepiness | bea
emovo | f1/gio-f1-b1.wav | gio-f1-b1 | happiness | f1
enterface | subject 16/surprise/sentence 3/s16_su_3avi.avi | 16-surprise-3 | surprise | 16
enterface | subject 11/anger/sentence 1/s12_an_1.avi | 11-anger-1 | anger | 11
enterface | subject 6/fear/s6_fe.avi | 6-fear | fear | 6
esd | 0001/Angry/0001_000351.wav | 0001_000351 | anger | 0001
jl-corpus | JL(wav+txt)/female1_anxious_10a_1.wav | female1_anxious_10a_1 | anxiety | female1
mead | W040/audio/happy/level_1/016.m4a | W040-happiness-1-016 | happiness | W040
mesd | Anger_C_A_basta_ya.wav | Anger_C_A_basta_ya | anger | -
nemo | samples/EB0_anger_1.wav | EB0_anger_1 | anger | EB0
oreau | Or\u{301}/f/sessc/10a01Ca.wav | 10a01Ca | anger | 10
pavoque | pavoque-poker.flac | pavoque-poker | poker face | pavoque
polish | m1.s_nie_1.wav | m1.s_nie_1 | fear | m1
ravdess-song | 03-02-05-01-02-01-24.wav | 03-02-05-01-02-01-24 | angry | 24
resd | test/01_happiness_anger/01_happiness_anger a_010.wav | 01_happiness_anger a_010 | anger | -
resd | train/sadness_disgust_12/12_sadness_disgust_d_010.wav | 12_sadness_disgust_d_010 | disgust | -
savee | DC_sa12.wav | DC-sadness-12 | sadness | DC
savee | AudioData/KL/n30.wav | KL-neutral-30 | neutral | KL
shemo | male/M12N09.wav | M12N09 | neutral | M12
subesco | F_02_MONIKA_S_2_SURPRISE_3].wav | F_02-MONIKA-2-surprise-3 | surprise | F_02
tess | OA_bite_neutral.wav | OA_bite_neutral | neutral | OAF
tess | YAF_pleasant_surprised/YAF_back_ps.wav | YAF_back_ps | surprise | YAF
turev-db | Sound Source/Sad/7895_hl_ogul1.wav | 7895_hl_ogul1 | sadness | 7895
urdu | Angry/SM1_F10_A010.wav | SM1_F10_A010 | anger | SM1
";

#[test]
fn names_of_each_corpus_tell_what_their_authors_say() {
    let mut named = BTreeSet::new();
    for line in NAMES.lines().filter(|line| !line.is_empty()) {
        let line = line
            .replace("\\u{8a}", "\u{8a}")
            .replace("\\u{301}", "\u{301}");
        let [kind, path, id, emotion, speaker] =
            line.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        let source = known(kind)
            .unwrap()
            .parse(path, false)
            .unwrap_or_else(|| panic!("{line}"));
        let unknown = if speaker == "-" {
            UNKNOWN_SPEAKER
        } else {
            speaker
        };
        let found = (
            source.id.as_str(),
            source.emotion.as_str(),
            source.speaker.as_str(),
        );
        assert_eq!(found, (id, emotion, unknown), "{line}");
        named.insert(kind.to_owned());
    }
    for corpus in by_description().filter(|corpus| corpus.tables.is_empty()) {
        assert!(
            named.contains(corpus.kind),
            "{} has no name here",
            corpus.kind
        );
    }
    for (kind, path) in [
        ("crema-d", "1092_DFA_ANG_XX.wav"),
        ("crema-d", "1001_DFA_XXX_XX.wav"),
        ("shemo", "male/M12X09.wav"),
        ("esd", "0001/Angry/0002_000351.wav"),
        ("asvp-esd", "03-01-05-01-02-01-12.wav"),
        ("savee", "AB_a01.wav"),
        ("emotale", "DK_002_A_1.wav"),
    ] {
        assert!(known(kind).unwrap().parse(path, false).is_none(), "{path}");
    }
}

#[test]
fn what_else_a_name_tells_is_read() {
    let esd = known("esd").unwrap();
    let (zh, en) = (
        esd.parse("0010/Sad/0010_001052.wav", false).unwrap(),
        esd.parse("0011/Sad/0011_000352.wav", false).unwrap(),
    );
    assert_eq!(
        (zh.text_id.as_deref(), zh.language.as_deref()),
        (Some("zh-2"), Some("zh"))
    );
    assert_eq!(
        (en.text_id.as_deref(), en.language.as_deref()),
        (Some("en-2"), Some("en"))
    );
    let crema = known("crema-d").unwrap();
    let one = crema.parse("1001_IEO_SAD_HI.wav", false).unwrap();
    assert_eq!(
        (one.text_id.as_deref(), one.intensity.as_deref()),
        (Some("IEO"), Some("high"))
    );
    let xx = crema.parse("1001_DFA_SAD_XX.wav", false).unwrap();
    assert_eq!((xx.intensity, xx.sex), (None, Some(Sex::Male)));
    let emotale = known("emotale").unwrap();
    let one = emotale.parse("EN_017_B_3.wav", false).unwrap();
    assert_eq!(
        (one.text_id.as_deref(), one.language.as_deref()),
        (Some("en-3"), Some("en"))
    );
    let resd = known("resd").unwrap();
    let part = |path| resd.parse(path, false).unwrap().split;
    assert_eq!(
        part("test/a_b_12/12_a_b_s_010.wav").as_deref(),
        Some("test")
    );
    assert_eq!(part("12_a_b_s_010.wav"), None);
}

#[test]
fn a_generated_corpus_in_each_layout_is_recognised_and_read() {
    for corpus in by_description() {
        let Some(names) = corpus.layout() else {
            assert!(!corpus.tables.is_empty(), "{}", corpus.kind);
            continue;
        };
        let paths: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        let read: Vec<_> = paths
            .iter()
            .map(|path| corpus.parse(path, true).unwrap())
            .collect();
        let ids: BTreeSet<&str> = read.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids.len(), names.len(), "{}", corpus.kind);
        let classes: BTreeSet<&str> = read.iter().map(|one| one.emotion.as_str()).collect();
        let published: BTreeSet<&str> = corpus.classes().into_iter().collect();
        assert_eq!(classes, published, "{}", corpus.kind);
        let found = recognise(&paths, None).map(|corpus| corpus.kind);
        let expected = (corpus.kind != "banglaser").then_some(corpus.kind);
        assert_eq!(found, expected, "{}: {paths:?}", corpus.kind);
    }
}

#[test]
fn names_that_only_look_alike_are_of_no_known_corpus() {
    for other in [
        ["1101_DFA_ANG_XX.wav", "1102_DFA_ANG_XX.wav"],
        ["AB_a01.wav", "CD_a01.wav"],
        ["x_back_sad.wav", "y_back_sad.wav"],
        ["1612871026347.wav", "1612871037341.wav"],
        ["anna/wut_01.wav", "bernd/freude_01.wav"],
    ] {
        let found = recognise(&other, None).map(|corpus| corpus.kind);
        assert_eq!(found, None, "{other:?}");
    }
}

#[test]
fn the_page_of_known_corpora_is_current() {
    let page = include_str!("../../../docs/corpora.md");
    let number = |n: usize| {
        if n == 0 {
            "?".to_owned()
        } else {
            n.to_string()
        }
    };
    for corpus in all() {
        let folds = match &corpus.emobox {
            None => "none".to_owned(),
            Some(emobox) if !emobox.has_list() => "not kept".to_owned(),
            Some(emobox) => {
                let speakers = match emobox.speakers {
                    Speakers::Apart => "apart",
                    Speakers::Shared => "shared",
                    Speakers::Unknown => "not known",
                };
                format!("{}, {speakers}", emobox.folds)
            }
        };
        let row = format!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {folds} |",
            corpus.kind,
            corpus.name,
            number(corpus.expected.utterances),
            number(corpus.expected.speakers),
            number(corpus.expected.classes.len()),
            corpus.licence.as_deref().unwrap_or("not known"),
            corpus.state.describe()
        );
        assert!(page.contains(&row), "docs/corpora.md lacks {row}");
    }
}

/// How many women and men there are by the authors: the papers of the descriptions, the readmes of
/// CaFE and ESD, and the tables of speakers of CREMA-D and nEMO.
#[test]
fn women_and_men_are_as_many_as_the_authors_say() {
    let numbers = |from: u32, to: u32, digits: usize| -> Vec<String> {
        (from..=to).map(|n| format!("{n:0digits$}")).collect()
    };
    let named = |names: &str| -> Vec<String> { names.split(' ').map(str::to_owned).collect() };
    for (kind, speakers, women, men) in [
        ("crema-d", numbers(1001, 1091, 4), 43, 48),
        ("cafe", numbers(1, 12, 2), 6, 6),
        ("esd", numbers(1, 10, 4), 5, 5),
        ("esd", numbers(11, 20, 4), 5, 5),
        ("banglaser", numbers(1, 34, 2), 17, 17),
        ("ravdess-song", numbers(1, 24, 2), 12, 12),
        ("nemo", named("EB0 IC0 KD0 KS0 MK0 MP0 SM0 TP0 WR0"), 4, 5),
        ("emovo", named("f1 f2 f3 m1 m2 m3"), 3, 3),
        ("jl-corpus", named("female1 female2 male1 male2"), 2, 2),
    ] {
        let sex = |speaker: String| {
            let mut source = Source::named("", "");
            source.speaker = speaker;
            known(kind).unwrap().about_speaker(&mut source);
            source
                .sex
                .unwrap_or_else(|| panic!("{kind}: {}", source.speaker))
        };
        let sexes: Vec<Sex> = speakers.into_iter().map(sex).collect();
        let count = |sex| sexes.iter().filter(|one| **one == sex).count();
        assert_eq!(
            (count(Sex::Female), count(Sex::Male)),
            (women, men),
            "{kind}"
        );
    }
}

/// All 800 names of the table of annotations.
#[test]
fn the_names_of_emotale_are_read_to_the_last() {
    let mut names = Vec::new();
    for speaker in (1..=19).filter(|speaker| *speaker != 2) {
        // Four speakers have no English.
        let languages: &[&str] = if [14, 15, 18, 19].contains(&speaker) {
            &["DK"]
        } else {
            &["DK", "EN"]
        };
        for language in languages {
            for emotion in ["A", "B", "H", "N", "S"] {
                names.extend((1..=5).map(|n| format!("{language}_{speaker:03}_{emotion}_{n}.wav")));
            }
        }
    }
    assert_eq!(
        recognise(&names, None).map(|corpus| corpus.kind),
        Some("emotale")
    );
    let emotale = known("emotale").unwrap();
    let all: Vec<Source> = names
        .iter()
        .map(|name| emotale.parse(name, true).unwrap())
        .collect();
    let counts = crate::corpus::Counts::of(&all);
    assert!(counts.matches(&emotale.expected), "{:?}", counts.by_class);
    assert_eq!((all.len(), counts.by_speaker.len()), (800, 18));
    let danish = all
        .iter()
        .filter(|one| one.language.as_deref() == Some("da"));
    assert_eq!(danish.count(), 450);
}
