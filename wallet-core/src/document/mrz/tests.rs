use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const TODAY: Date = date(2026, 11, 22);
/// The specimens of Doc 9303: part 4 appendix B, part 5 appendix B, part 6 appendix B.
const TD3: [&str; 2] =
    ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"];
const TD1: [&str; 3] =
    ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"];
const TD2: [&str; 2] = ["I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"];

fn changed(lines: &[&str], row: usize, at: usize, to: u8) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let mut bytes = lines[row].clone().into_bytes();
    bytes[at] = to;
    lines[row] = String::from_utf8(bytes).unwrap();
    lines
}

#[test]
fn the_specimens_of_the_standard() {
    for (lines, format, number) in [
        (&TD3[..], Format::Td3, "L898902C3"),
        (&TD1, Format::Td1, "D23145890"),
        (&TD2, Format::Td2, "D23145890"),
    ] {
        let mrz = parse(lines, TODAY).unwrap();
        assert_eq!((mrz.format, mrz.number.as_str()), (format, number));
        assert_eq!((mrz.surname.as_str(), mrz.given_names.as_str()), ("ERIKSSON", "ANNA MARIA"));
        assert_eq!((mrz.issuing_state.as_str(), mrz.nationality.as_str()), ("UTO", "UTO"));
        assert_eq!(mrz.birth, Birth { year: 1974, month: Some(8), day: Some(12) });
        assert_eq!((mrz.sex, mrz.expires), (MrzSex::Female, date(2012, 4, 15)));
        assert!(!mrz.names_may_be_cut);
        assert_eq!(format!("{mrz:?}"), "Mrz(redacted)");
    }
    assert_eq!(parse(&TD3, TODAY).unwrap().optional, "ZE184226B");
    assert_eq!(parse(&TD1, TODAY).unwrap().document_code, "I");
}

#[test]
fn check_digits_of_the_standard() {
    assert_eq!(check_digit(b"520727"), Some(b'3')); // part 3, appendix A
    assert_eq!(check_digit(b"AB2134<<<"), Some(b'5'));
    assert_eq!(check_digit(b"ab"), None);
}

/// A TD1 whose number has twelve characters: nine, a filler, three more and the check digit.
#[test]
fn a_long_number_goes_on_in_the_optional_data() {
    let check = char::from(check_digit(b"D23145890734").unwrap());
    let first = format!("I<UTOD23145890<734{check}<<<<<<<<<<<");
    let middle = "7408122F1204159UTO<<<<<<<<<<<";
    let composite = [
        &first.as_bytes()[5..30],
        &middle.as_bytes()[..7],
        &middle.as_bytes()[8..15],
        &middle.as_bytes()[18..],
    ];
    let digit = char::from(check_digit(&composite.concat()).unwrap());
    let lines = [first, format!("{middle}{digit}"), TD1[2].to_owned()];
    assert_eq!(parse(&lines, TODAY).unwrap().number, "D23145890734");
}

/// A TD3 with these six digits of birth or expiry, and its check digits as they must be.
fn with_dates(birth: &str, expiry: &str) -> Vec<String> {
    let dated = |text: &str| format!("{text}{}", char::from(check_digit(text.as_bytes()).unwrap()));
    let (number, personal) = ("L898902C36", "ZE184226B<<<<<1");
    let (birth, expiry) = (dated(birth), dated(expiry));
    let composite = format!("{number}{birth}{expiry}{personal}");
    let digit = char::from(check_digit(composite.as_bytes()).unwrap());
    vec![TD3[0].to_owned(), format!("{number}UTO{birth}F{expiry}{personal}{digit}")]
}

#[test]
fn centuries_follow_from_the_day() {
    let born = |text: &str| parse(&with_dates(text, "300101"), TODAY).map(|mrz| mrz.birth);
    let full = |year, month, day| Ok(Birth { year, month: Some(month), day: Some(day) });
    assert_eq!(born("261122"), full(2026, 11, 22));
    assert_eq!(born("261123"), full(1926, 11, 23));
    assert_eq!(born("000229"), full(2000, 2, 29));
    assert_eq!(born("74<<<<"), Ok(Birth { year: 1974, month: None, day: None }));
    assert_eq!(born("7408<<"), Ok(Birth { year: 1974, month: Some(8), day: None }));
    for bad in ["741301", "740230", "74<<12", "<<0812", "74081<"] {
        assert_eq!(born(bad), Err(MrzProblem::DateInvalid(MrzField::Birth)), "{bad}");
    }
    let until = |text: &str| parse(&with_dates("740812", text), TODAY).map(|mrz| mrz.expires);
    assert_eq!(until("360101"), Ok(date(2036, 1, 1)));
    assert_eq!(until("990101"), Ok(date(1999, 1, 1)));
    assert_eq!(until("270229"), Err(MrzProblem::DateInvalid(MrzField::Expiry)));
    assert_eq!(until("27<<<<"), Err(MrzProblem::DateInvalid(MrzField::Expiry)));
}

#[test]
fn names_as_they_are_written() {
    let names = |text: &str| {
        let line = format!("P<UTO{text:<<39}");
        parse(&[line.as_str(), TD3[1]], TODAY).map(|mrz| (mrz.surname, mrz.given_names, mrz.names_may_be_cut))
    };
    let named = |surname: &str, given: &str, cut| Ok((surname.to_owned(), given.to_owned(), cut));
    assert_eq!(names("VAN<DER<MUELLEN<<HILDE<MARIE"), named("VAN DER MUELLEN", "HILDE MARIE", false));
    assert_eq!(names("ARKFREITH"), named("ARKFREITH", "", false));
    let long = "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K";
    assert_eq!(names(long), named("NILAVADHANANANDA", "CHAYAPA DEJTHAMRONG K", true));
    for bad in ["", "<<ANNA", "ERIKSS0N<<ANNA", "ERIKSSON<<ANNA<<MARIA"] {
        assert_eq!(names(bad), Err(MrzProblem::Unreadable(MrzField::Names)), "{bad}");
    }
}

#[test]
fn look_alikes_are_put_right_by_where_they_stand() {
    for (row, at, to) in [(1, 13, b'T'), (1, 10, b'0')] {
        assert!(parse(&changed(&TD3, row, at, to), TODAY).is_err());
    }
    // O for 0 in the expiry, 0 for O in the state and the name, S for 5 in a check digit's place.
    for (row, at, to) in
        [(1, 23, b'O'), (1, 12, b'0'), (0, 4, b'0'), (0, 11, b'0'), (0, 9, b'5'), (1, 26, b'S')]
    {
        let read = repair(&changed(&TD3, row, at, to), TODAY).unwrap();
        assert_eq!((read.changes, read.lines), (1, TD3.map(str::to_owned).to_vec()), "{row} {at}");
    }
    // In the number a change is believed when it alone makes the check digits hold.
    let read = repair(&changed(&TD3, 1, 5, b'O'), TODAY).unwrap();
    assert_eq!((read.mrz.number.as_str(), read.changes), ("L898902C3", 1));
    // LB98902C3 with the digit of L898902C3 might as well be LB9B902C3.
    let ambiguous = changed(&TD3, 1, 1, b'B');
    assert_eq!(repair(&ambiguous, TODAY), Err(MrzProblem::CheckDigit(MrzField::Number)));
    // 7 for 8 is no look-alike.
    let wrong = changed(&TD3, 1, 1, b'7');
    assert_eq!(repair(&wrong, TODAY), Err(MrzProblem::CheckDigit(MrzField::Number)));
}

#[test]
fn hostile_lines() {
    let long = "<".repeat(10_000);
    let table: [(&[&str], MrzProblem); 11] = [
        (&[], MrzProblem::NotAZone),
        (&[""], MrzProblem::NotAZone),
        (&["", "", ""], MrzProblem::NotAZone),
        (&[TD3[0]], MrzProblem::NotAZone),
        (&[TD3[0], TD2[1]], MrzProblem::NotAZone),
        (&[TD3[1], TD3[0]], MrzProblem::CheckDigit(MrzField::Number)),
        (&[&long, &long], MrzProblem::NotAZone),
        (&["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<é", TD3[1]], MrzProblem::NotAZone),
        (&["p<utoeriksson<<anna<maria<<<<<<<<<<<<<<<<<<<", TD3[1]], MrzProblem::NotAZone),
        (&["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<\0", TD3[1]], MrzProblem::NotAZone),
        // All fillers: every check digit would be 0, and is a filler.
        (
            &["<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<"],
            MrzProblem::CheckDigit(MrzField::Number),
        ),
    ];
    for (lines, problem) in table {
        assert_eq!(parse(lines, TODAY), Err(problem), "{lines:?}");
        assert!(repair(lines, TODAY).is_err(), "{lines:?}");
    }
    // Zeros hold every check digit and are still no document.
    let zeros = ["0".repeat(44), "0".repeat(44)];
    assert!(parse(&zeros, TODAY).is_err() && repair(&zeros, TODAY).is_err());
}

/// The places of each format that a check digit is of.
fn checked(format: Format) -> Vec<(usize, usize)> {
    match format {
        Format::Td1 => {
            let second = (0..7).chain(8..15).chain(18..30).map(|at| (1, at));
            (5..30).map(|at| (0, at)).chain(second).collect()
        }
        Format::Td2 => (0..10).chain(13..20).chain(21..36).map(|at| (1, at)).collect(),
        Format::Td3 => (0..10).chain(13..20).chain(21..44).map(|at| (1, at)).collect(),
    }
}

proptest! {
    /// 7, 3 and 1 are prime to 10: a wrong character is found unless its value is the same modulo 10 (`A` and `0`, `<` and `0`).
    #[test]
    fn one_wrong_character_is_found(which in 0usize..3, place in any::<prop::sample::Index>(), to in "[A-Z0-9<]") {
        let (lines, format) = [(&TD1[..], Format::Td1), (&TD2[..], Format::Td2), (&TD3[..], Format::Td3)][which];
        let places = checked(format);
        let (row, at) = places[place.index(places.len())];
        let (old, new) = (lines[row].as_bytes()[at], to.as_bytes()[0]);
        let caught = value(old).unwrap() % 10 != value(new).unwrap() % 10;
        let read = parse(&changed(lines, row, at, new), TODAY);
        if caught {
            prop_assert!(read.is_err(), "{old} → {new} at {row},{at}");
        }
    }

    /// What is put right holds every check digit, and is what was printed.
    #[test]
    fn repairs_hold(which in 0usize..3, row in 0usize..3, at in any::<prop::sample::Index>(), to in "[A-Z0-9<]") {
        let (lines, _) = [(&TD1[..], 1), (&TD2[..], 1), (&TD3[..], 1)][which];
        let row = row % lines.len();
        let at = at.index(lines[row].len());
        if let Ok(read) = repair(&changed(lines, row, at, to.as_bytes()[0]), TODAY) {
            prop_assert_eq!(parse(&read.lines, TODAY), Ok(read.mrz));
        }
    }

    #[test]
    fn parsing_never_panics(lines in prop::collection::vec("[A-Z0-9<é]{0,46}", 0..4)) {
        let _ = parse(&lines, TODAY);
        let _ = repair(&lines, TODAY);
    }
}
