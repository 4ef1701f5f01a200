//! The CDNOW data set: `customer date number_of_cds dollar_value`, columns separated by blanks, dates without separators.
//!
//! Source: Fader & Hardie, `CDNOW_master`: all purchases of 23,570 customers from January 1997 to June 1998.

use chrono::NaiveDate;
use serde_json::value::RawValue;

use super::record::{Content, Format, Interaction, Person, Reason, Record};

pub struct Cdnow;

impl Format for Cdnow {
    fn read(&mut self, line: &str) -> Result<Option<Record>, Reason> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        match columns[..] {
            [] | ["customer_id", ..] => Ok(None),
            [customer, date, number_of_cds, dollar_value] => {
                purchase(customer, date, number_of_cds, dollar_value).map(Some)
            }
            _ => Err("a purchase has 4 columns: customer, date, number of CDs, dollars".into()),
        }
    }
}

fn purchase(customer: &str, date: &str, number_of_cds: &str, dollar_value: &str) -> Result<Record, Reason> {
    let date = NaiveDate::parse_from_str(date, "%Y%m%d").ok().filter(|_| date.len() == 8);
    let date = date.ok_or("the date is not YYYYMMDD")?;
    if !number_of_cds.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the number of CDs is not a count".into());
    }
    if !is_amount(dollar_value) {
        return Err("the value is not an amount such as 11.77".into());
    }
    // The digits go through as they stand: a float in between would change sums.
    let properties = format!(r#"{{"number_of_cds":{number_of_cds},"dollar_value":{dollar_value}}}"#);
    let interaction = Interaction {
        kind: "order.created".to_owned(),
        topic: "music".to_owned(),
        occurred_at: format!("{date}T00:00:00Z"),
        properties: RawValue::from_string(properties).map_err(|_| "a number has leading zeros")?,
    };
    let person = Person { namespace: "user_id", value: customer.to_owned() };
    Ok(Record { person, content: Content::Interaction(interaction), message_id: None })
}

fn is_amount(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').map_or_else(|| digits(text), |(whole, cents)| digits(whole) && digits(cents))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<String>, Reason> {
        let record = Cdnow.read(line)?;
        let body = record.as_ref().and_then(Record::interaction);
        Ok(body.map(|body| serde_json::to_string(&body).expect("JSON")))
    }

    #[test]
    fn a_purchase_keeps_its_customer_and_its_digits() {
        let body = read(" 00002 19970112  5   77.00\r").expect("valid").expect("a record");
        let expected = r#"{"guest_id":"00002","namespace":"user_id","kind":"order.created","topic":"music","occurred_at":"1997-01-12T00:00:00Z","properties":{"number_of_cds":5,"dollar_value":77.00}}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn the_header_and_empty_lines_are_no_records() {
        assert_eq!(read(" customer_id  date number_of_cds  dollar_value"), Ok(None));
        assert_eq!(read("  "), Ok(None));
    }

    #[test]
    fn what_is_no_purchase_says_why() {
        for line in [
            "00001 19970101 1",
            "00001 19971301 1 1.00",
            "00001 19970101 x 1.00",
            "00001 19970101 1 1,00",
            "1 19970101 1 -1",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
