use super::*;

#[test]
fn check_digits_of_the_standard() {
    // The examples of GB 11643-1999.
    assert_eq!(check_digit("11010519491231002"), 'X');
    assert_eq!(check_digit("44052418800101001"), '4');
}

#[test]
fn faults_are_faults_and_the_rest_agrees() {
    let card = Specimen::franck();
    assert_eq!(card.number.len(), 18);
    assert_eq!(card.number.chars().last(), Some(check_digit(&card.number)));

    let wrong = card.clone().wrong_check_digit();
    assert_eq!(wrong.number[..17], card.number[..17]);
    assert_ne!(wrong.number, card.number);

    let other = card.clone().number_for((1985, 12, 24), Sex::Female, 501);
    assert_eq!(&other.number[..17], "99000119851224002");
    assert_eq!((other.birth, other.sex), ((1985, 12, 24), Sex::Female));
    assert_eq!(card.long_term().printed_validity(), "2021.06.01-长期");
}
