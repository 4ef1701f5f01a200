//! The outermost layer of protobuf: a message as its fields, so that each can go where its data class sends it.
//!
//! Encodings of one message concatenate to an encoding of their union, so parts that were split by class and sealed apart
//! open and join again without anybody knowing the message. Source: protobuf encoding, "Last One Wins" and merging.

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// The bytes are no protobuf message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message")]
pub(crate) struct Malformed;

/// `(field number, tag and value)` of every field, in order.
pub(crate) fn fields(mut message: &[u8]) -> Result<Vec<(u32, &[u8])>, Malformed> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let (tag, tag_bytes) = varint(message)?;
        let length = tag_bytes + value_bytes(tag & 7, &message[tag_bytes..])?;
        let (field, rest) = message.split_at_checked(length).ok_or(Malformed)?;
        fields.push((u32::try_from(tag >> 3).map_err(|_| Malformed)?, field));
        message = rest;
    }
    Ok(fields)
}

fn value_bytes(wire_type: u64, value: &[u8]) -> Result<usize, Malformed> {
    match wire_type {
        VARINT => Ok(varint(value)?.1),
        FIXED64 => Ok(8),
        FIXED32 => Ok(4),
        LENGTH_DELIMITED => {
            let (length, prefix) = varint(value)?;
            usize::try_from(length).ok().and_then(|length| length.checked_add(prefix)).ok_or(Malformed)
        }
        _ => Err(Malformed),
    }
}

fn varint(bytes: &[u8]) -> Result<(u64, usize), Malformed> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, index + 1));
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_join_to_the_message_they_came_from() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x03, b'a', b'b', b'c', 0x0d, 1, 2, 3, 4, 0x11, 1, 2, 3, 4, 5, 6, 7, 8];
        let fields = fields(&message).expect("a message");
        assert_eq!(fields.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 1, 2]);
        assert_eq!(fields.into_iter().flat_map(|(_, bytes)| bytes).copied().collect::<Vec<_>>(), message);
    }

    #[test]
    fn what_ends_early_is_malformed() {
        for message in [&[0x08][..], &[0x12, 5, 1], &[0x0d, 1], &[0xff; 11], &[0x0b]] {
            assert_eq!(fields(message), Err(Malformed), "{message:?}");
        }
    }
}
