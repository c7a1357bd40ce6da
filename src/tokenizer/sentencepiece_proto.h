#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// What a SentencePiece model file (sentencepiece_model.proto) says that matters when it is used.
struct SentencePieceProto {
  enum class Type { normal = 1, unknown, control, user_defined, unused, byte };
  enum class Model { unigram = 1, bpe, word, chars };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };
  std::vector<Piece> pieces;
  Model model = Model::unigram;
  bool byte_fallback = false;
  bool space_is_suffix = false;
  std::string bos_piece = "<s>", eos_piece = "</s>", unknown_surface = " \xE2\x81\x87 ";
  std::string charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool has_denormalizer = false;
};

/// Reads and checks the file: its framing, every piece (not empty, no NUL, UTF-8, one of its kind, a finite
/// score), one unknown piece, 256 byte pieces with byte fallback and none without. Throws InputError.
SentencePieceProto parse_sentencepiece_proto(std::string_view bytes, const std::string& source);

/// The file again, all that libsentencepiece gets to see: the pieces and the kind of model, and no
/// normalization.
std::string serialize(const SentencePieceProto& proto);

}  // namespace halftone
