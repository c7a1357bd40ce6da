#include "tokenizer/sentencepiece_proto.h"

#include <array>
#include <cmath>

#include "base/error.h"
#include "base/proto_reader.h"
#include "tokenizer/unicode.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

namespace {

SentencePieceProto::Piece parse_piece(ProtoReader field, size_t id, const std::string& source) {
  constexpr size_t kMaxPieceBytes = 4096;
  constexpr float kMaxScore = 1e9f;
  SentencePieceProto::Piece piece;
  while (field.next()) {
    if (field.number() == 1) {
      piece.text = field.bytes();
    } else if (field.number() == 2) {
      piece.score = field.number32();
    } else if (field.number() == 3) {
      uint64_t type = field.varint();
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

void parse_trainer(ProtoReader field, const std::string& source, SentencePieceProto& proto) {
  while (field.next()) {
    switch (field.number()) {
      case 3: {
        uint64_t type = field.varint();
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

void parse_normalizer(ProtoReader field, SentencePieceProto& proto) {
  while (field.next()) {
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

}  // namespace

SentencePieceProto parse_sentencepiece_proto(std::string_view bytes, const std::string& source) {
  SentencePieceProto proto;
  const std::string where = source + ": not a SentencePiece model";
  for (ProtoReader field(bytes, where); field.next();) {
    switch (field.number()) {
      case 1:
        if (proto.pieces.size() == static_cast<size_t>(kMaxVocabulary))
          throw InputError("{}: more than {} pieces", source, kMaxVocabulary);
        proto.pieces.push_back(parse_piece(field.message(), proto.pieces.size(), source));
        break;
      case 2:
        parse_trainer(field.message(), source, proto);
        break;
      case 3:
        parse_normalizer(field.message(), proto);
        break;
      case 5: {
        SentencePieceProto denormalizer;
        parse_normalizer(field.message(), denormalizer);
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
    put_proto_bytes(message, 1, piece.text);
    put_proto_float(message, 2, piece.score);
    put_proto_varint(message, 3, static_cast<uint64_t>(piece.type));
    put_proto_bytes(out, 1, message);
  }
  std::string trainer;
  put_proto_varint(trainer, 3, static_cast<uint64_t>(proto.model));
  put_proto_varint(trainer, 24, proto.space_is_suffix);
  put_proto_varint(trainer, 35, proto.byte_fallback);
  put_proto_bytes(out, 2, trainer);
  std::string normalizer;
  for (uint64_t field : {3, 4, 5})
    put_proto_varint(normalizer, field, false);  // dummy prefix, extra spaces, escaping
  put_proto_bytes(out, 3, normalizer);
  return out;
}

}  // namespace halftone
