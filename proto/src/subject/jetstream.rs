//! What JetStream itself is asked on: one subject for each kind of request about a stream.

/// What a request asks for. Some name one thing more behind the stream: a consumer, or a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    StreamCreate,
    StreamUpdate,
    StreamInfo,
    StreamPurge,
    /// A message, by the word of the stream's leader.
    MessageGet,
    MessageDelete,
    /// Messages, by any replica's word: which ones stands in the request.
    DirectGet,
    /// The last message of the subject that is named behind the stream.
    DirectGetLast,
    ConsumerCreate,
    /// One that the server names.
    ConsumerCreateUnnamed,
    ConsumerInfo,
    ConsumerList,
    ConsumerNext,
    ConsumerDelete,
}

impl Ask {
    fn name(self) -> &'static str {
        match self {
            Self::StreamCreate => "STREAM.CREATE",
            Self::StreamUpdate => "STREAM.UPDATE",
            Self::StreamInfo => "STREAM.INFO",
            Self::StreamPurge => "STREAM.PURGE",
            Self::MessageGet => "STREAM.MSG.GET",
            Self::MessageDelete => "STREAM.MSG.DELETE",
            Self::DirectGet | Self::DirectGetLast => "DIRECT.GET",
            Self::ConsumerCreate | Self::ConsumerCreateUnnamed => "CONSUMER.CREATE",
            Self::ConsumerInfo => "CONSUMER.INFO",
            Self::ConsumerList => "CONSUMER.LIST",
            Self::ConsumerNext => "CONSUMER.MSG.NEXT",
            Self::ConsumerDelete => "CONSUMER.DELETE",
        }
    }

    /// What is named behind the stream, as a pattern of it.
    fn further(self) -> &'static str {
        match self {
            Self::StreamCreate
            | Self::StreamUpdate
            | Self::StreamInfo
            | Self::StreamPurge
            | Self::MessageGet
            | Self::MessageDelete
            | Self::DirectGet
            | Self::ConsumerCreateUnnamed
            | Self::ConsumerList => "",
            // A new consumer's name, and behind it a filter when it has one.
            Self::DirectGetLast | Self::ConsumerCreate => ".>",
            Self::ConsumerInfo | Self::ConsumerNext | Self::ConsumerDelete => ".*",
        }
    }

    /// Every subject this is asked on about the stream.
    pub fn of(self, stream: &str) -> String {
        format!("$JS.API.{}.{stream}{}", self.name(), self.further())
    }

    /// The subject this is asked on about one consumer, or one subject, of the stream.
    pub fn of_one(self, stream: &str, one: &str) -> String {
        format!("$JS.API.{}.{stream}.{one}", self.name())
    }
}

/// Every subject on which messages of the stream are acknowledged.
pub fn acknowledgements(stream: &str) -> String {
    format!("$JS.ACK.{stream}.>")
}

/// Every subject on which one consumer's messages are acknowledged; `*` stands for any consumer.
pub fn acknowledgements_of(stream: &str, consumer: &str) -> String {
    format!("$JS.ACK.{stream}.{consumer}.>")
}

/// Prefix of the subjects on which a caller, who has no JetStream of its own, asks ours.
pub const CALLERS_API: &str = "KEEPSAKE.API";

/// Where a caller asks what [`Ask::of_one`] asks here.
pub fn callers_api(subject: &str) -> String {
    subject.replacen("$JS.API", CALLERS_API, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_stream_and_what_it_is_about() {
        assert_eq!(Ask::StreamInfo.of("EVT"), "$JS.API.STREAM.INFO.EVT");
        assert_eq!(Ask::DirectGetLast.of("EVT"), "$JS.API.DIRECT.GET.EVT.>");
        assert_eq!(Ask::ConsumerNext.of("PUB"), "$JS.API.CONSUMER.MSG.NEXT.PUB.*");
        let one = Ask::ConsumerNext.of_one("PUB", "shop");
        assert_eq!(callers_api(&one), "KEEPSAKE.API.CONSUMER.MSG.NEXT.PUB.shop");
        assert_eq!(acknowledgements_of("PUB", "shop"), "$JS.ACK.PUB.shop.>");
    }
}
