#include "tokenizer/sentencepiece_model.h"

#include <algorithm>
#include <sentencepiece_processor.h>

#include "tokenizer/piece_boundaries.h"
#include "tokenizer/sentencepiece_normalizer.h"
#include "tokenizer/sentencepiece_proto.h"

namespace halftone {

namespace {

using Type = SentencePieceProto::Type;
constexpr std::string_view kSpace = "▁";

/// Words by the library. It gets them normalized, so that it need not see the whole text as one: its byte
/// pair encoding takes seconds for a megabyte.
class SentencePieceModel final : public SubwordModel {
 public:
  SentencePieceModel(const std::string& serialized, std::optional<PieceBoundaries> boundaries,
                     const std::string& source)
      : boundaries_(std::move(boundaries)), source_(source) {
    auto status = processor_.LoadFromSerializedProto(serialized);
    if (!status.ok()) throw InputError("{}: libsentencepiece refuses it: {}", source, status.error_message());
  }

  void encode(std::string_view word, std::vector<TokenId>& ids) const override {
    std::vector<int> found;
    auto status = processor_.Encode({word.data(), word.size()}, &found);
    if (!status.ok())
      throw InputError("{}: libsentencepiece cannot encode {} bytes: {}", source_, word.size(),
                       status.error_message());
    ids.insert(ids.end(), found.begin(), found.end());
  }

  size_t part_end(std::string_view text, size_t from) const override {
    return boundaries_ ? boundaries_->next(text, from) : text.size();
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
  std::optional<PieceBoundaries> boundaries_;
  std::string source_;
};

/// Pieces as SentencePiece writes them out: ▁ is a space, but the one that stands for the dummy prefix is
/// nothing.
class SentencePieceDecoder final : public DecoderStage {
 public:
  SentencePieceDecoder(const SentencePieceProto& proto, std::string unknown)
      : unknown_(std::move(unknown)),
        unknown_surface_(proto.unknown_surface),
        at_start_(proto.add_dummy_prefix || proto.remove_extra_whitespaces),
        eats_all_(proto.remove_extra_whitespaces) {}

  std::unique_ptr<DecoderStage> fresh() const override {
    return std::make_unique<SentencePieceDecoder>(*this);
  }

  void push(std::string piece, const Sink& next) override {
    if (piece == unknown_) piece = unknown_surface_;
    std::string_view rest = piece;
    if (at_start_ && rest.starts_with(kSpace)) {
      rest.remove_prefix(kSpace.size());
      at_start_ = eats_all_;
    }
    std::string text;
    for (size_t at; (at = rest.find(kSpace)) != std::string_view::npos;
         rest.remove_prefix(at + kSpace.size())) {
      text += rest.substr(0, at);
      text += ' ';
    }
    text += rest;
    if (!text.empty()) at_start_ = false;
    next(std::move(text));
  }

 private:
  std::string unknown_, unknown_surface_;
  bool at_start_, eats_all_;
};

/// The library looks for user-defined pieces with room for 64 of them, each the beginning of the next.
std::vector<std::string> user_defined(const SentencePieceProto& proto, const std::string& source) {
  constexpr int kMaxNested = 60;
  std::vector<std::string> texts;
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (const auto& piece : proto.pieces) {
    if (piece.type != Type::user_defined) continue;
    texts.push_back(piece.text);
    entries.emplace_back(piece.text, 0);
  }
  Trie trie(entries);
  for (const std::string& text : texts) {
    int nested = 0;
    trie.for_each_prefix(text, [&](size_t, int32_t) { ++nested; });
    if (nested > kMaxNested)
      throw UnsupportedError("{}: {} user-defined pieces begin \"{}\"; at most {} may", source, nested, text,
                             kMaxNested);
  }
  return texts;
}

DecoderChain decoder_of(const SentencePieceProto& proto, std::string unknown) {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  stages.push_back(std::make_unique<SentencePieceDecoder>(proto, std::move(unknown)));
  if (proto.byte_fallback) stages.push_back(make_byte_fallback_stage());
  return DecoderChain(std::move(stages));
}

}  // namespace

Pipeline parse_sentencepiece(std::string_view bytes, const std::vector<AddedToken>& added,
                             const std::string& source) {
  SentencePieceProto proto = parse_sentencepiece_proto(bytes, source);
  if (proto.has_denormalizer) throw UnsupportedError("{}: a model with a denormalizer", source);

  Pipeline pipeline;
  auto vocabulary = std::make_shared<Vocabulary>();
  std::vector<AddedToken> tokens;
  std::string unknown;
  for (const auto& piece : proto.pieces) {
    auto id = vocabulary->size();
    vocabulary->add(piece.text, id, source);
    if (piece.type == Type::unknown) unknown = piece.text;
    if (piece.type == Type::control || piece.type == Type::unknown) tokens.push_back({piece.text, id, true});
  }
  for (const AddedToken& token : added) {
    if (vocabulary->find(token.text)) continue;
    if (vocabulary->has(token.id))
      throw InputError("{}: the added token \"{}\" has id {}, which is the piece \"{}\"", source, token.text,
                       token.id, vocabulary->piece(token.id));
    tokens.push_back(token);
    tokens.back().normalized = false;
  }
  auto control = [&](const std::string& name) -> std::optional<TokenId> {
    auto id = vocabulary->find(name);
    bool is_control = id && proto.pieces[static_cast<size_t>(*id)].type == Type::control;
    return is_control ? id : std::nullopt;
  };
  pipeline.bos = control(proto.bos_piece);
  if (auto eos = control(proto.eos_piece)) pipeline.eos = {*eos};
  if (pipeline.bos) pipeline.post_processor.before = {*pipeline.bos};

  pipeline.decoder = decoder_of(proto, unknown);
  SentencePieceNormalization normalization;
  if (!proto.charsmap.empty()) normalization.charsmap.emplace(proto.charsmap, source);
  normalization.user_defined = user_defined(proto, source);
  normalization.dummy_prefix = proto.add_dummy_prefix;
  normalization.prefix_is_suffix = proto.space_is_suffix;
  normalization.collapse_spaces = proto.remove_extra_whitespaces;
  normalization.escape_spaces = proto.escape_whitespaces;
  pipeline.normalizer = make_normalizer(std::move(normalization));
  std::optional<PieceBoundaries> boundaries;
  if (proto.model == SentencePieceProto::Model::bpe) boundaries.emplace(vocabulary);
  pipeline.model = std::make_unique<SentencePieceModel>(serialize(proto), std::move(boundaries), source);
  pipeline.added = AddedTokens(std::move(tokens), nullptr, source);
  pipeline.vocabulary = std::move(vocabulary);
  return pipeline;
}

}  // namespace halftone
