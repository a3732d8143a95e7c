//! What somebody who typed an unknown word may have meant.

/// `did you mean x? known here: a, b, x`; the question only if something is near enough.
pub(crate) fn advice(typed: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(typed, known) {
        Some(word) => format!("did you mean `{word}`? known here: {list}"),
        None => format!("known here: {list}"),
    }
}

/// The nearest known word: at most a third of its letters typed wrong, two for short words.
fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    let far = |word: &&str| strsim::damerau_levenshtein(&typed, &word.to_lowercase());
    let (distance, word) = known.iter().map(|word| (far(word), *word)).min()?;
    let close = distance <= (word.len() / 3).max(2) && distance < word.len();
    close.then_some(word).or_else(|| part_of(&typed, known))
}

/// `addr` for `address`, `bootstrap_servers` for `bootstrap`.
fn part_of<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let related =
        |word: &&&str| word.len() > 2 && typed.len() > 2 && (word.contains(typed) || typed.contains(**word));
    known.iter().find(related).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_finds_its_word() {
        let known = ["bootstrap", "tls", "auth", "client_ca", "id"];
        let table = [
            ("bootsrtap", "bootstrap"),
            ("bootstrap_servers", "bootstrap"),
            ("bootstrap.servers", "bootstrap"),
            ("TLS", "tls"),
            ("client-ca", "client_ca"),
            ("autth", "auth"),
            ("Id", "id"),
        ];
        for (typed, meant) in table {
            assert_eq!(nearest(typed, &known), Some(meant), "{typed}");
        }
        for typed in ["", "x", "zookeeper", "colour"] {
            assert_eq!(nearest(typed, &known), None, "{typed}");
        }
        assert_eq!(advice("tsl", &["tls"]), "did you mean `tls`? known here: tls");
        assert_eq!(advice("zzz", &["tls", "auth"]), "known here: tls, auth");
    }
}
