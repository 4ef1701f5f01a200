//! Markdown of ours as HTML.

use pulldown_cmark::{Event, Parser, Tag, TagEnd, html};

/// Links to other files of the repository lead nowhere here: their words stay.
pub(super) fn of_markdown(text: &str) -> String {
    let mut leads_nowhere = false;
    let events = Parser::new(text).filter(move |event| {
        if let Event::Start(Tag::Link { dest_url, .. }) = event {
            leads_nowhere = !dest_url.starts_with("https://") && !dest_url.starts_with('/');
            return !leads_nowhere;
        }
        !leads_nowhere || !matches!(event, Event::End(TagEnd::Link))
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

#[cfg(test)]
mod tests {
    use super::of_markdown;

    #[test]
    fn links_that_lead_nowhere_keep_their_words() {
        assert_eq!(of_markdown("See [this](access.md)."), "<p>See this.</p>\n");
        assert_eq!(of_markdown("[there](/docs) **now**"), "<p><a href=\"/docs\">there</a> <strong>now</strong></p>\n");
    }
}
