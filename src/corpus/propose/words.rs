//! Words for emotions, speakers, sexes and parts of a split in several languages, and the short
//! codes that corpora use.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A class and the words for it, lower case and without accents. Codes of up to four letters are
/// those of CREMA-D, IEMOCAP, EMOVO and others.
const EMOTIONS: [(&str, &str); 19] = [
    (
        "anger",
        "anger angry ang wut aerger arger zorn wuetend wutend colere rabbia rab ira enojo \
         enfado raiva zlosc gniew ofke kizgin kizginlik zlost gnev boos woede wutig zornig \
         argerlich aergerlich verargert veraergert furieux furieuse furious arrabbiato \
         arrabbiata enojado enojada enfadado enfadada furioso furiosa zly wsciekly boosheid \
         гнев злость 愤怒 生气",
    ),
    (
        "boredom",
        "boredom bored bor langeweile ennui noia aburrimiento tedio nuda skuka gelangweilt \
         langweilig ennuye ennuyee annoiato annoiata aburrido aburrida entediado znudzony \
         znudzenie sikilmis verveling verveeld скука 无聊",
    ),
    (
        "calm",
        "calm cal calmness ruhe ruhig calme calma spokoj sakin spokojstvie gelassen \
         gelassenheit entspannt tranquille tranquillo tranquilla tranquilo tranquila calmo \
         rustig sakinlik спокоиствие спокоино 平静",
    ),
    (
        "contempt",
        "contempt con verachtung mepris disprezzo desprecio desprezo pogarda contemptuous \
         verachtlich veraechtlich meprisant verachting minachting презрение 轻蔑",
    ),
    (
        "disgust",
        "disgust disgusted dis ekel degout disgusto asco nojo wstret obrzydzenie tiksinti \
         igrenme otvraschenie angeekelt geekelt angewidert degoute degoutee disgustato \
         disgustata asqueado asqueada",
    ),
    (
        "excitement",
        "excitement excited exc aufregung excitation emozione emocion aufgeregt excite \
         excitee eccitato eccitata emocionado emocionada",
    ),
    (
        "fear",
        "fear fearful fea afraid scared anxiety anx angst furcht peur paura pau miedo medo \
         strach korku strakh fearfulness angstlich aengstlich furchtsam effraye effrayee \
         crainte spaventato spaventata asustado asustada miedoso assustado assustada \
         przestraszony korkmus страх 恐惧 害怕",
    ),
    (
        "frustration",
        "frustration frustrated fru frustriert frustre frustree frustrato frustrata \
         frustrado frustrada frustracion frustrazione frustracja",
    ),
    (
        "happiness",
        "happiness happy hap joy joyful freude froehlich frohlich glueck joie heureux gioia \
         gio felicita alegria felicidad felicidade feliz radosc szczescie mutlu mutluluk \
         sevinc radost blij frohlichkeit froehlichkeit froh freudig heiter heiterkeit \
         glucklich gluecklich gluck heureuse bonheur joyeux joyeuse felice allegria alegre \
         contento contenta szczesliwy szczesliwa wesoly blijdschap vrolijk vrolijkheid \
         geluk радость счастье 高兴 快乐 开心",
    ),
    (
        "neutral",
        "neutral neu neutrality neutre neutrale neutro neutralny notr neytralno normal \
         neutralitat neutralitaet neutralite neutralita neutralidad neutralidade \
         neutralnosc neutraal неитрально неитральныи 中性 中立",
    ),
    (
        "sadness",
        "sadness sad trauer traurig traurigkeit tristesse triste tristezza tri tristeza \
         smutek uzgun uzuntu grust pechal verdriet betrubt betruebt betrubnis \
         niedergeschlagen smutny smutna smutno verdrietig грусть печаль 悲伤 伤心",
    ),
    (
        "surprise",
        "surprise surprised sur sor ueberraschung uberraschung sorpresa surpresa \
         zaskoczenie saskin saskinlik udivlenie ps pleasantsurprise pleasantsurprised \
         uberrascht ueberrascht erstaunt erstaunen surpris surpreso sorpreso sorprendido \
         sorprendida surpreendido zaskoczony zaskoczona verrassing verrast удивление 惊讶 惊喜",
    ),
    ("sarcasm", "sarcasm sarcastic ironie irony ironia"),
    // Those of JL-Corpus and EmoV-DB.
    ("amusement", "amusement amused"),
    ("apology", "apologetic"),
    ("assertiveness", "assertive"),
    ("concern", "concerned"),
    ("encouragement", "encouraging"),
    ("sleepiness", "sleepiness sleepy"),
];

/// Words of languages in other scripts, and Hungarian: nouns, and the adjectives that stand for
/// them, as they are written.
const MORE_EMOTIONS: [(&str, &str); 12] = [
    (
        "anger",
        "怒り 怒る 怒 憤怒 生氣 злой злая сердитый сердитая خشم عصبانیت عصبانی غضب غاضب غصہ गुस्सा क्रोध রাগ ক্রোধ ቁጣ ንዴት \
         θυμός οργή 분노 화남 화난 โกรธ ความโกรธ harag haragos dühös",
    ),
    ("boredom", "退屈 無聊 ανία πλήξη 지루함 เบื่อ unalom unott"),
    (
        "calm",
        "落ち着き هدوء آرامش शांत ηρεμία 평온 สงบ nyugodt nyugalom",
    ),
    (
        "contempt",
        "軽蔑 輕蔑 蔑视 احتقار περιφρόνηση 경멸 megvetés",
    ),
    (
        "disgust",
        "отвращение 厌恶 厭惡 嫌悪 انزجار اشمئزاز قرف घृणा ঘৃণা αηδία 혐오 รังเกียจ ขยะแขยง undor",
    ),
    ("excitement", "兴奋 興奮 izgatottság"),
    (
        "fear",
        "испуганный испуганная 恐 恐懼 恐怖 恐れ 怖い ترس خوف خائف डर भय ভয় ፍርሃት ፍራቻ φόβος 두려움 공포 กลัว ความกลัว \
         félelem",
    ),
    ("frustration", "หงุดหงิด"),
    (
        "happiness",
        "радостный радостная весёлый весёлая 喜 喜悦 高興 快樂 開心 喜び 幸せ 嬉しい 楽しい شادی شاد خوشحالی خوشحال سعادة سعيد فرح \
         خوشی خوش खुशी ख़ुशी प्रसन्नता সুখ আনন্দ খুশি ደስታ χαρά ευτυχία 기쁨 기쁜 행복 행복한 มีความสุข \
         ความสุข ดีใจ öröm boldogság boldog vidám",
    ),
    (
        "neutral",
        "нейтральная нейтральное ニュートラル 平常 خنثی عادی محايد حيادي غیرجانبدار तटस्थ सामान्य নিরপেক্ষ ገለልተኛ \
         ουδέτερο ουδέτερος ουδέτερη 중립 무감정 เป็นกลาง ปกติ semleges",
    ),
    (
        "sadness",
        "грустный грустная печальный печальная 哀 悲 悲傷 傷心 难过 悲しみ 悲しい 哀しみ غم غمگین اندوه حزن حزين اداسی اداس दुख \
         दुःख उदासी उदास দুঃখ দুঃখিত বিষণ্ণ ሀዘን ሐዘን ኀዘን λύπη θλίψη 슬픔 슬픈 เศร้า ความเศร้า เสียใจ \
         szomorúság szomorú",
    ),
    (
        "surprise",
        "удивлённый удивлённая 驚 吃惊 驚訝 驚き تعجب متعجب مفاجأة دهشة حیرت आश्चर्य हैरानी বিস্ময় আশ্চর্য መገረም መደነቅ \
         έκπληξη 놀람 놀라움 놀란 ประหลาดใจ แปลกใจ meglepetés meglepett",
    ),
];

/// Every word with its class.
fn listed() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = EMOTIONS.iter().chain(&MORE_EMOTIONS);
    all.flat_map(|(class, words)| words.split(' ').map(|word| (word, *class)))
}

static EMOTION: LazyLock<HashMap<String, &str>> =
    LazyLock::new(|| listed().map(|(word, class)| (key(word), class)).collect());

/// Whether a character is a mark that may be left out. In the scripts of India and its neighbours
/// marks are vowels, and a word without them is another one; but for the dot below a letter.
fn is_accent(c: char) -> bool {
    const VOWEL_SIGNS: RangeInclusive<char> = '\u{900}'..='\u{1AFF}';
    const DOTS: [char; 2] = ['\u{93C}', '\u{9BC}'];
    is_combining_mark(c) && (!VOWEL_SIGNS.contains(&c) || DOTS.contains(&c))
}

/// Lower case without accents, in whichever form these are written.
pub(in crate::corpus) fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word
        .nfd()
        .flat_map(char::to_lowercase)
        .filter(|c| !is_accent(*c))
    {
        match c {
            'ς' => out.push('σ'),
            // Persian words on an Arabic keyboard.
            'ي' | 'ى' => out.push('ی'),
            'ك' => out.push('ک'),
            'ł' => out.push('l'),
            'ø' => out.push('o'),
            'ı' => out.push('i'),
            'đ' | 'ð' => out.push('d'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            c => out.push(c),
        }
    }
    out
}

/// The letters and digits of [`plain`]: the same for all spellings of a word or a column.
pub(in crate::corpus) fn key(word: &str) -> String {
    let mut key = plain(word);
    key.retain(|c| c.is_alphanumeric() || is_combining_mark(c));
    key
}

/// The class that a word stands for, whatever its case, accents and separators, and whatever stands
/// in brackets behind it.
pub(in crate::corpus) fn emotion(word: &str) -> Option<&'static str> {
    let class = |word: &str| EMOTION.get(key(word).as_str()).copied();
    class(word).or_else(|| class(without_brackets(word)?))
}

/// A word without what stands in brackets behind it: `wut` of `wut (sicher)`.
pub(super) fn without_brackets(word: &str) -> Option<&str> {
    let word = word.trim_end();
    let closed = [('(', ')'), ('[', ']'), ('（', '）')];
    let (open, _) = closed
        .into_iter()
        .find(|(_, close)| word.ends_with(*close))?;
    let (before, _) = word.split_once(open)?;
    Some(before.trim_end()).filter(|before| !before.is_empty())
}

/// What is no class: the raters of a recording do not agree.
pub(super) const NO_AGREEMENT: &str = "no agreement";

/// Letters for emotions: English, German, ShEMO's, MSP-Podcast's.
const LETTERS: [&str; 4] = [
    "a anger, b boredom, c calm, d disgust, f fear, h happiness, n neutral, s sadness, sa sadness, \
     su surprise",
    "w anger, l boredom, e disgust, a fear, f happiness, n neutral, t sadness",
    "a anger, f fear, h happiness, n neutral, s sadness, w surprise",
    "a anger, c contempt, d disgust, f fear, h happiness, n neutral, o other, s sadness, \
     u surprise, x no agreement",
];

/// Labels that there have to be where one may stand for no agreement.
const FEWEST_WITH_X: usize = 5;

/// The classes of letter codes, where all labels are such codes and enough of them to be no mere
/// letters: neutral and two others.
pub(super) fn letters<'w>(labels: &BTreeSet<&'w str>) -> Option<BTreeMap<&'w str, &'static str>> {
    if labels.len() < 3 || !labels.iter().any(|label| label.eq_ignore_ascii_case("n")) {
        return None;
    }
    LETTERS.iter().find_map(|codes| {
        let codes: HashMap<&str, &str> = codes
            .split(", ")
            .filter_map(|code| code.split_once(' '))
            .collect();
        // An `x` among few letters may be anything.
        if codes.contains_key("x") && labels.len() < FEWEST_WITH_X {
            return None;
        }
        let class = |label: &str| codes.get(label.to_ascii_lowercase().as_str()).copied();
        labels
            .iter()
            .map(|label| Some((*label, class(label)?)))
            .collect()
    })
}

/// Whether a word says that what follows is a speaker.
pub(super) fn is_speaker_word(word: &str) -> bool {
    is_speaker_column(word.trim_end_matches(|c: char| c.is_ascii_digit() || "-_ ".contains(c)))
}

const SPEAKER: &str = "speaker speakers spk spkr actor actress subject sub subj participant talker \
    person voice user client sprecher sprecherin sprecherinnen vp vpn versuchsperson proband \
    probandin versuchspersonen probanden teilnehmer teilnehmerin sujet sujets participante participantes partecipante \
    sujeto soggetto deelnemer proefpersoon uczestnik badany denek katilimci schauspieler schauspielerin locuteur locutrice acteur hablante locutor locutora \
    actriz parlante attore falante ator spreker mowca aktor konusmaci diktor диктор говорящий спикер \
    ομιλητής beszélő متحدث گوینده वक्ता বক্তা ผู้พูด 話者 発話者 说话人 說話人 화자 발화자";
const SPEAKER_AFFIXES: &str = "id ids nr no num number nummer name code label kennung";

/// Whether a column of that name names speakers: `Speaker_ID`, `VP Nr.`, `id_speaker`.
pub(in crate::corpus) fn is_speaker_column(name: &str) -> bool {
    static KEYS: LazyLock<HashSet<String>> =
        LazyLock::new(|| SPEAKER.split_whitespace().map(key).collect());
    let key = key(name);
    let is_speaker = |word: &str| KEYS.contains(word);
    is_speaker(&key)
        || SPEAKER_AFFIXES.split(' ').any(|affix| {
            key.strip_suffix(affix).is_some_and(is_speaker)
                || key.strip_prefix(affix).is_some_and(is_speaker)
        })
}

const FEMALE: &str = "female f w fem woman women girl weiblich frau frauen femme femmes femminile \
    donna donne femenino mujer mujeres feminino mulher kobieta kadin vrouw женский женщина ж θηλυκό γυναίκα \
    أنثى زن महिला মহিলা หญิง 女 女性 여 여성 여자";
const MALE: &str = "male m man men boy mannlich maennlich mann maenner manner homme hommes \
    maschile uomo uomini masculino hombre hombres homem mezczyzna erkek мужской мужчина м αρσενικό άνδρας \
    férfi ذكر مرد पुरुष পুরুষ ชาย 男 男性 남 남성 남자";

/// The sex that a word stands for.
pub(in crate::corpus) fn sex(word: &str) -> Option<&'static str> {
    static SEX: LazyLock<HashMap<String, &str>> = LazyLock::new(|| {
        let both = [("female", FEMALE), ("male", MALE)].into_iter();
        let words = |(sex, words): (_, &'static str)| {
            words.split_whitespace().map(move |word| (plain(word), sex))
        };
        both.flat_map(words).collect()
    });
    SEX.get(&plain(word)).copied()
}

/// The part of a split that a word stands for, as manifests write it.
pub(in crate::corpus) fn part(word: &str) -> Option<&'static str> {
    let parts = [
        ("train", "train training trn trainset"),
        (
            "validation",
            "validation valid val dev devel development validierung",
        ),
        ("test", "test testing tst testset eval evaluation"),
    ];
    let word = plain(word);
    let mut parts = parts.iter();
    let part = parts.find(|(_, words)| words.split(' ').any(|known| known == word))?;
    Some(part.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_in_whichever_form_accents_are_written() {
        assert_eq!(
            ["Wu\u{308}tend", "WÜTEND", "Łódź", "İYİ", "Groß"].map(plain),
            ["wutend", "wutend", "lodz", "iyi", "gross"]
        );
        assert_eq!(key("VP Nr."), "vpnr");
    }

    #[test]
    fn words_of_several_languages_name_one_class() {
        for (class, words) in [
            ("anger", "ANG Wut colère kızgın Гнев 生气"),
            (
                "happiness",
                "Freude GIOIA radość Sevinç Fröhlichkeit FROEHLICHKEIT glücklich joyeux",
            ),
            ("sadness", "triste Traurigkeit smutek üzgün"),
            ("surprise", "überrascht sorprendida Удивлённый 놀람"),
            ("anger", "ΘΥΜΟΣ Θυμός गुस्सा DÜHÖS غضب"),
            ("fear", "ভয় ترس ፍርሃት 恐怖 กลัว"),
            ("boredom", "gelangweilt aburrido"),
        ] {
            assert!(
                words.split(' ').all(|word| emotion(word) == Some(class)),
                "{class}"
            );
        }
        for other in "table रोग রোগ দেখা সখা देख दिखा शत शीत डोर भैया हिरन ดูใจ".split(' ')
        {
            assert_eq!(emotion(other), None, "{other}");
        }
        let page = include_str!("../../../docs/corpora.md");
        for (word, class) in listed() {
            assert_eq!(emotion(word), Some(class), "{word} stands for two classes");
            let row = format!("| {class} | ");
            let row = page.lines().find(|line| line.starts_with(&row));
            let is_listed = row.is_some_and(|row| row.split(' ').any(|listed| listed == word));
            assert!(is_listed, "docs/corpora.md lists no {word} ({class})");
        }
    }

    #[test]
    fn speakers_are_called_many_things() {
        let all = |words: &str, is: fn(&str) -> bool, want: bool| {
            words
                .split(", ")
                .for_each(|word| assert_eq!(is(word), want, "{word}"));
        };
        all(
            "Speaker_01, spk3, Actor, sprecher-7, VP12",
            is_speaker_word,
            true,
        );
        all("sad, s1, session, f1", is_speaker_word, false);
        all(
            "Sprecher, VP, VP_Nr, Proband, talker, locuteur, hablante, parlante, person, \
             id_speaker, Speaker ID, Диктор, 話者, 화자, Ομιλητής, वक्ता",
            is_speaker_column,
            true,
        );
        all(
            "personality, id, name, file, subjective, text_id",
            is_speaker_column,
            false,
        );
    }

    #[test]
    fn letters_are_emotions_only_together() {
        for (labels, classes) in [
            ("N H S A", Some("anger happiness neutral sadness")),
            ("W F N", Some("happiness neutral anger")),
            ("a b c d", None),
            ("N A", None),
            ("N A X", None),
        ] {
            let found = letters(&labels.split(' ').collect());
            let found = found.map(|found| found.into_values().collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), classes, "{labels}");
        }
    }

    #[test]
    fn parts_and_sexes_are_words() {
        assert_eq!(
            ["Training", "devel", "eval", "s1"].map(part),
            [Some("train"), Some("validation"), Some("test"), None]
        );
        assert_eq!(
            ["Weiblich", "Ma\u{308}nnlich", "hombre", "anna"].map(sex),
            [Some("female"), Some("male"), Some("male"), None]
        );
    }
}
