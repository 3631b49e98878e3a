//! What stands in a cell for a value that nobody gave: marks, and words in the languages of the
//! [words for emotions](super::propose::words).

use std::collections::HashSet;
use std::sync::LazyLock;

use super::propose::words::{is_speaker_column, key, sex};
use crate::text::composed;

/// What tables hold where a value is missing, in lower case: nothing, a mark, or what pandas, R and
/// spreadsheets write.
const MISSING: [&str; 17] = [
    "", "?", "-", "--", "\u{2013}", "\u{2014}", "na", "n/a", "n.a.", "<na>", "#n/a", "nan", "-nan",
    "nat", "none", "null", "nil",
];

/// Abbreviations in the only spelling that is hardly anyone's initials: a small letter before a
/// capital, or a stroke. `n.b.`, `n.n.`, `n.d.`, `n.r.`, `s.d.`, `b.d.`, `K.A.` and `O.A.` are not
/// here: in a column of `A.M.`, `S.D.` and `N.B.` they are people, and a person taken for nobody is
/// lost without a word.
const ABBREVIATED: [&str; 12] = [
    "k.A.", "k.A", "k/A", "k/a", "o.A.", "o.A", "n/d", "N/D", "s/d", "S/D", "н/д", "Н/Д",
];

/// Words that say so, separated by commas.
const WORDS: [&str; 12] = [
    "unknown, unk, unidentified, unnamed, unspecified, undefined, undetermined, anonymous, missing, \
     not known, not given, not available, not specified, not stated, not recorded, not applicable, \
     no answer, no data",
    "unbekannt, unbekannte, unbekannter, unbekanntes, unbek, nicht bekannt, nicht angegeben, \
     nicht erfasst, keine Angabe, keine Angaben, keine Daten, ohne Angabe, ohne Angaben, anonym, \
     fehlt, fehlend, fehlender Wert",
    "inconnu, inconnue, inconnus, non connu, non connue, non renseigné, non renseignée, \
     non précisé, non précisée, non indiqué, non spécifié, non disponible, sans réponse, \
     pas de réponse, pas de données, anonyme, manquant, manquante",
    "desconocido, desconocida, no conocido, no disponible, no especificado, no indicado, \
     no informado, sin datos, sin especificar, sin información, no consta, anónimo, anónima",
    "sconosciuto, sconosciuta, ignoto, ignota, non noto, non nota, non conosciuto, non specificato, \
     non indicato, nessun dato, anonimo, anonima, mancante",
    "desconhecido, desconhecida, não informado, não disponível, não especificado, não indicado, \
     sem informação, sem dados, anônimo, anônima",
    "nieznany, nieznana, nieznane, nie podano, nie wiadomo, nieokreślony, brak, brak danych, \
     anonimowy",
    "bilinmiyor, bilinmeyen, belirtilmemiş, belirtilmedi, veri yok, anonim",
    "onbekend, onbekende, niet bekend, niet opgegeven, geen opgave, geen gegevens, anoniem",
    "неизвестно, неизвестный, неизвестная, неизвестен, неизвестна, не указано, не указан, \
     не указана, нет данных, аноним, neizvestno, neizvestny, neizvestnyj, невідомо, невідомий",
    "neznámý, neznámá, neznámo, ukendt, ukjent, okänd, okänt, tuntematon, ismeretlen, necunoscut, \
     άγνωστο, άγνωστος, άγνωστη, نامشخص, ناشناس, مجهول, غير معروف, نامعلوم, अज्ञात",
    "不明, 未知, 未詳, 不詳, 不详, 未記入, 未回答, 未填写, 佚名, 匿名, 无, 無, 미상, 불명, 모름, 알 수 없음",
];

static KEYS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let words = WORDS.iter().flat_map(|words| words.split(", "));
    words.map(key).collect()
});

/// Whether a cell of a table holds no value: it is empty, or what tables have in its place.
pub fn is_missing(cell: &str) -> bool {
    let cell = cell.trim();
    cell.len() <= 4 && MISSING.contains(&cell.to_lowercase().as_str())
}

/// Whether a cell names no speaker or class: it is missing, or says in words that nobody knows
/// (`keine Angabe`, `inconnu`, `unknown speaker`, `unknown_female`).
pub fn is_unknown(cell: &str) -> bool {
    if is_missing(cell) {
        return true;
    }
    let mut short = composed(cell);
    short.retain(|c| !c.is_whitespace());
    if ABBREVIATED.contains(&short.as_str()) || KEYS.contains(&key(cell)) {
        return true;
    }
    // Beside words for speakers and sexes: `spk_unknown`, `unbekannter Sprecher`, `unbekannt (w)`.
    let words = cell.split(|c: char| !c.is_alphanumeric());
    let (unknown, others): (Vec<&str>, Vec<&str>) = words
        .filter(|word| !word.is_empty())
        .partition(|word| KEYS.contains(&key(word)));
    let says_no_name = |word: &str| is_speaker_column(word) || sex(word).is_some();
    !unknown.is_empty() && others.into_iter().all(says_no_name)
}

/// Whether a cell names no speaker: it is unknown, or a number below zero, as tables of numbered
/// speakers have for nobody.
pub fn is_nobody(speaker: &str) -> bool {
    is_unknown(speaker)
        || speaker
            .trim()
            .parse::<f64>()
            .is_ok_and(|number| number < 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_gave_is_no_speaker_in_any_of_the_languages() {
        for word in "|?|N/A|n/a|k.A.|k. A.|k.A|o.A.|o. A.|n/d|unknown|UNKNOWN|<unk>|keine Angabe|unbekannt|inconnue|\
             Non renseigné|non renseigne\u{301}|desconocido|Sconosciuta|não informado|nieznany|bilinmiyor|\
             onbekend|неизвестно|Неизвестный|н/д|不明|未知|미상|unknown speaker|spk_unknown|Unbekannter Sprecher|\
             speaker-unknown|(not given)|unknown_female|unknown-m|unbekannt (w)|Unbekannte Frau|male speaker, unknown"
            .split('|')
        {
            assert!(is_unknown(word), "{word}");
        }
        for speaker in "KA|NB|ND|OA|A.M.|S.D.|N.B.|n.b.|N.N.|n.d.|K.A.|k.a.|O.A.|B.D.|n.r.|Н.Д.|female|F.|female_2|unknown female 2|VP03|speaker|spk1|spk_1|unknown 2|Unk Hansen|Fehling|Anna|Nil Yalter|0|other|unklar"
            .split('|')
        {
            assert!(!is_unknown(speaker), "{speaker}");
        }
        for nobody in ["-1", "-99", " -1.0 ", "unknown"] {
            assert!(is_nobody(nobody), "{nobody}");
        }
        assert!(!is_nobody("0") && !is_nobody("-a") && !is_nobody("1-"));
        assert!(is_missing(" NaN ") && !is_missing("unknown") && !is_missing("k.A."));
    }

    #[test]
    fn no_word_for_an_emotion_or_a_sex_says_that_nobody_knows() {
        for word in KEYS.iter() {
            assert!(
                super::super::propose::words::emotion(word).is_none()
                    && super::super::propose::words::sex(word).is_none(),
                "{word}"
            );
        }
    }
}
