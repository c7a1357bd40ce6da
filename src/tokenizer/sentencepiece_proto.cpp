#include "tokenizer/sentencepiece_proto.h"

#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "tokenizer/unicode.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

namespace {

enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Walks over the fields of one protobuf message.
class Fields {
 public:
  Fields(std::string_view bytes, const std::string& source) : rest_(bytes), source_(source) {}

  /// Moves to the next field; false at the end.
  bool next() {
    if (rest_.empty()) return false;
    uint64_t key = varint();
    number_ = key >> 3;
    type_ = static_cast<int>(key & 7);
    if (type_ == kVarint) {
      value_ = varint();
    } else if (type_ == kBytes) {
      bytes_ = take(varint());
    } else if (type_ == kFixed32 || type_ == kFixed64) {
      bytes_ = take(type_ == kFixed32 ? 4 : 8);
    } else {
      throw InputError("{}: not a SentencePiece model: wire type {} in its protobuf", source_, type_);
    }
    return true;
  }

  uint64_t number() const { return number_; }
  uint64_t varint_value() const { return expect(kVarint), value_; }
  bool flag() const { return varint_value() != 0; }
  std::string_view bytes() const { return expect(kBytes), bytes_; }
  float number32() const {
    expect(kFixed32);
    float value;
    std::memcpy(&value, bytes_.data(), 4);
    return value;
  }

 private:
  void expect(int type) const {
    if (type_ != type)
      throw InputError("{}: not a SentencePiece model: field {} has wire type {}, expected {}", source_,
                       number_, type_, type);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    throw InputError("{}: not a SentencePiece model: a varint of more than 10 bytes", source_);
  }
  std::string_view take(uint64_t count) {
    if (count > rest_.size())
      throw InputError("{}: truncated SentencePiece model: {} bytes wanted, {} left", source_, count,
                       rest_.size());
    std::string_view part = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return part;
  }

  std::string_view rest_;
  const std::string& source_;
  uint64_t number_ = 0;
  int type_ = 0;
  uint64_t value_ = 0;
  std::string_view bytes_;
};

SentencePieceProto::Piece parse_piece(std::string_view bytes, size_t id, const std::string& source) {
  constexpr size_t kMaxPieceBytes = 4096;
  constexpr float kMaxScore = 1e9f;
  SentencePieceProto::Piece piece;
  for (Fields field(bytes, source); field.next();) {
    if (field.number() == 1) {
      piece.text = field.bytes();
    } else if (field.number() == 2) {
      piece.score = field.number32();
    } else if (field.number() == 3) {
      uint64_t type = field.varint_value();
      if (type < 1 || type > 6)
        throw InputError("{}: piece {} has type {}, expected 1 to 6", source, id, type);
      piece.type = static_cast<SentencePieceProto::Type>(type);
    }
  }
  const std::string& text = piece.text;
  if (text.empty() || text.size() > kMaxPieceBytes)
    throw InputError("{}: piece {} has {} bytes, expected 1 to {}", source, id, text.size(), kMaxPieceBytes);
  if (text.find('\0') != std::string::npos || !is_utf8(text))
    throw InputError("{}: piece {} is not UTF-8 without NUL", source, id);
  if (!(std::abs(piece.score) <= kMaxScore))
    throw InputError("{}: piece {} has score {}", source, id, piece.score);
  return piece;
}

void parse_trainer(std::string_view bytes, const std::string& source, SentencePieceProto& proto) {
  for (Fields field(bytes, source); field.next();) {
    switch (field.number()) {
      case 3: {
        uint64_t type = field.varint_value();
        if (type < 1 || type > 4) throw InputError("{}: model type {}, expected 1 to 4", source, type);
        proto.model = static_cast<SentencePieceProto::Model>(type);
        break;
      }
      case 24:
        proto.space_is_suffix = field.flag();
        break;
      case 35:
        proto.byte_fallback = field.flag();
        break;
      case 44:
        proto.unknown_surface = repair_utf8(field.bytes());
        break;
      case 46:
        proto.bos_piece = field.bytes();
        break;
      case 47:
        proto.eos_piece = field.bytes();
        break;
      default:
        break;
    }
  }
}

void parse_normalizer(std::string_view bytes, const std::string& source, SentencePieceProto& proto) {
  for (Fields field(bytes, source); field.next();) {
    switch (field.number()) {
      case 2:
        proto.charsmap = field.bytes();
        break;
      case 3:
        proto.add_dummy_prefix = field.flag();
        break;
      case 4:
        proto.remove_extra_whitespaces = field.flag();
        break;
      case 5:
        proto.escape_whitespaces = field.flag();
        break;
      default:
        break;
    }
  }
}

void check_pieces(const SentencePieceProto& proto, const std::string& source) {
  using Type = SentencePieceProto::Type;
  std::array<bool, 256> bytes{};
  int unknown = 0;
  for (const auto& piece : proto.pieces) {
    unknown += piece.type == Type::unknown;
    if (piece.type != Type::byte) continue;
    auto byte = byte_of_piece(piece.text);
    if (!byte || !proto.byte_fallback)
      throw InputError("{}: byte piece \"{}\"{}", source, piece.text, byte ? " without byte fallback" : "");
    bytes[*byte] = true;
  }
  if (unknown != 1) throw InputError("{}: {} unknown pieces, expected 1", source, unknown);
  for (unsigned byte = 0; proto.byte_fallback && byte < 256; ++byte)
    if (!bytes[byte]) throw InputError("{}: byte fallback without the piece <0x{:02X}>", source, byte);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_number(std::string& out, uint64_t field, uint64_t value) {
  put_varint(out, field << 3 | kVarint);
  put_varint(out, value);
}

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_varint(out, field << 3 | kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

}  // namespace

SentencePieceProto parse_sentencepiece_proto(std::string_view bytes, const std::string& source) {
  SentencePieceProto proto;
  for (Fields field(bytes, source); field.next();) {
    switch (field.number()) {
      case 1:
        if (proto.pieces.size() == static_cast<size_t>(kMaxVocabulary))
          throw InputError("{}: more than {} pieces", source, kMaxVocabulary);
        proto.pieces.push_back(parse_piece(field.bytes(), proto.pieces.size(), source));
        break;
      case 2:
        parse_trainer(field.bytes(), source, proto);
        break;
      case 3:
        parse_normalizer(field.bytes(), source, proto);
        break;
      case 5: {
        SentencePieceProto denormalizer;
        parse_normalizer(field.bytes(), source, denormalizer);
        proto.has_denormalizer = !denormalizer.charsmap.empty();
        break;
      }
      default:
        break;
    }
  }
  if (proto.pieces.empty()) throw InputError("{}: not a SentencePiece model: it holds no pieces", source);
  check_pieces(proto, source);
  return proto;
}

std::string serialize(const SentencePieceProto& proto) {
  std::string out;
  for (const auto& piece : proto.pieces) {
    std::string message;
    put_bytes(message, 1, piece.text);
    put_varint(message, 2 << 3 | kFixed32);
    message.append(reinterpret_cast<const char*>(&piece.score), 4);
    put_number(message, 3, static_cast<uint64_t>(piece.type));
    put_bytes(out, 1, message);
  }
  std::string trainer;
  put_number(trainer, 3, static_cast<uint64_t>(proto.model));
  put_number(trainer, 24, proto.space_is_suffix);
  put_number(trainer, 35, proto.byte_fallback);
  put_bytes(out, 2, trainer);
  std::string normalizer;
  for (uint64_t field : {3, 4, 5})
    put_number(normalizer, field, false);  // dummy prefix, extra spaces, escaping
  put_bytes(out, 3, normalizer);
  return out;
}

}  // namespace halftone
