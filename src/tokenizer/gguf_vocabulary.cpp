#include <algorithm>
#include <map>

#include "tokenizer/bpe.h"
#include "tokenizer/gguf_words.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/sentencepiece_normalizer.h"
#include "tokenizer/unicode.h"
#include "tokenizer/unigram.h"
#include "tokenizer/wordpiece.h"
#include "tokenizer/words.h"

namespace halftone {

namespace {

// tokenizer.ggml.token_type
enum TokenType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
constexpr const char* kSpace = "▁";

TokenType type_of(const GgufVocabulary& v, size_t id) {
  return v.token_types.empty() ? kNormal : static_cast<TokenType>(v.token_types[id]);
}

void check(const GgufVocabulary& v) {
  size_t count = v.tokens.size();
  if (count == 0 || count > static_cast<size_t>(kMaxVocabulary))
    throw InputError("{}: tokenizer.ggml.tokens has {} entries, expected 1 to {}", v.source, count,
                     kMaxVocabulary);
  auto same_length = [&](const char* key, size_t length) {
    if (length != 0 && length != count)
      throw InputError("{}: {} has {} entries, but there are {} tokens", v.source, key, length, count);
  };
  same_length("tokenizer.ggml.scores", v.scores.size());
  same_length("tokenizer.ggml.token_type", v.token_types.size());
  for (size_t id = 0; id < count; ++id)
    if (!is_utf8(v.tokens[id])) throw InputError("{}: token {} is not UTF-8", v.source, id);
}

std::optional<TokenId> checked_id(const GgufVocabulary& v, std::optional<int64_t> id, const char* key) {
  if (!id) return std::nullopt;
  if (*id < 0 || *id >= static_cast<int64_t>(v.tokens.size()))
    throw InputError("{}: tokenizer.ggml.{} is {}, but there are {} tokens", v.source, key, *id,
                     v.tokens.size());
  return static_cast<TokenId>(*id);
}

/// llama.cpp strips the white space behind the special tokens of Phi-3, as its tokenizer.json does; a GGUF
/// has no flag.
bool strips_right(const GgufVocabulary& v, std::string_view token) {
  std::string name = to_lower(is_utf8(v.name) ? v.name : "");
  bool is_phi3 = name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
  return is_phi3 && token != "<unk>" && token != "<s>" && token != "<|endoftext|>";
}

AddedTokens added_tokens(const GgufVocabulary& v, const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    TokenType type = type_of(v, id);
    if (type != kControl && type != kUnknown && type != kUserDefined) continue;
    AddedToken token{std::string(vocabulary.piece(static_cast<TokenId>(id))), static_cast<TokenId>(id)};
    token.special = type != kUserDefined;
    token.right_strip = strips_right(v, token.text);
    tokens.push_back(std::move(token));
  }
  return AddedTokens(std::move(tokens), nullptr, v.source);
}

/// The tokens that stand around a text, and those that end one.
void set_special(const GgufVocabulary& v, bool add_bos, bool add_eos, bool add_separator,
                 Pipeline& pipeline) {
  auto bos = checked_id(v, v.bos_id, "bos_token_id");
  auto eos = checked_id(v, v.eos_id, "eos_token_id");
  auto separator = checked_id(v, v.separator_id, "seperator_token_id");
  if (!bos) bos = checked_id(v, v.cls_id, "cls_token_id");
  pipeline.bos = bos;
  if (v.add_bos.value_or(add_bos) && bos) pipeline.post_processor.before = {*bos};
  if (v.add_eos.value_or(add_eos) && eos) {
    pipeline.post_processor.after = {*eos};
  } else if (add_separator && separator) {
    pipeline.post_processor.after = {*separator};
  }
  for (auto id : {eos, checked_id(v, v.eot_id, "eot_token_id"), checked_id(v, v.eom_id, "eom_token_id")})
    if (id && std::find(pipeline.eos.begin(), pipeline.eos.end(), *id) == pipeline.eos.end())
      pipeline.eos.push_back(*id);
}

std::shared_ptr<Vocabulary> vocabulary_of(const GgufVocabulary& v) {
  auto vocabulary = std::make_shared<Vocabulary>();
  for (size_t id = 0; id < v.tokens.size(); ++id)
    vocabulary->add(v.tokens[id].empty() ? fmt::format("[EMPTY_{}]", id) : v.tokens[id],
                    static_cast<int64_t>(id), v.source);
  return vocabulary;
}

/// 0 for the highest score, and so on; equal scores share a rank. -1 for tokens that text does not hold.
std::vector<int32_t> ranks_of_scores(const GgufVocabulary& v) {
  std::map<float, int32_t, std::greater<>> rank_of;
  for (float score : v.scores) {
    if (!(score == score)) throw InputError("{}: tokenizer.ggml.scores holds a NaN", v.source);
    rank_of[score] = 0;
  }
  int32_t next = 0;
  for (auto& [score, rank] : rank_of) rank = next++;
  std::vector<int32_t> ranks(v.tokens.size(), -1);
  for (size_t id = 0; id < ranks.size(); ++id)
    if (TokenType type = type_of(v, id); type == kNormal || type == kUserDefined)
      ranks[id] = rank_of[v.scores[id]];
  return ranks;
}

/// SentencePiece's byte pair encoding.
Pipeline llama_pipeline(const GgufVocabulary& v) {
  if (v.scores.empty()) throw InputError("{}: tokenizer.ggml.scores is missing", v.source);
  Pipeline pipeline;
  auto vocabulary = vocabulary_of(v);
  BpeOptions options;
  options.byte_fallback = true;
  options.fuse_unknown = true;
  options.unknown = checked_id(v, v.unknown_id, "unknown_token_id");
  pipeline.model =
      std::make_unique<Bpe>(vocabulary, merges_of_all_splits(*vocabulary, ranks_of_scores(v)), options);

  bool prefix = v.add_space_prefix.value_or(true);
  Json escape = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}};
  Json normalizers = Json::array();
  if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normalizers.push_back(escape);
  pipeline.normalizer = parse_normalizer({{"type", "Sequence"}, {"normalizers", normalizers}}, v.source);

  Json decoders = {{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}};
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  pipeline.decoder = parse_decoder({{"type", "Sequence"}, {"decoders", decoders}}, v.source);
  pipeline.added = added_tokens(v, *vocabulary);
  pipeline.vocabulary = vocabulary;
  set_special(v, true, false, false, pipeline);
  return pipeline;
}

std::vector<Merge> parse_merges(const GgufVocabulary& v, const Vocabulary& vocabulary) {
  std::vector<Merge> merges;
  merges.reserve(v.merges.size());
  for (const std::string& line : v.merges) {
    auto rank = static_cast<int32_t>(merges.size());
    size_t space = line.find(' ', 1);
    if (line.empty() || space == std::string::npos)
      throw InputError("{}: tokenizer.ggml.merges entry {} is \"{}\", expected two pieces", v.source, rank,
                       line);
    auto find = [&](const std::string& piece) {
      auto id = vocabulary.find(piece);
      if (!id)
        throw InputError("{}: tokenizer.ggml.merges entry {} names \"{}\", which is no token", v.source, rank,
                         piece);
      return *id;
    };
    std::string left = line.substr(0, space), right = line.substr(space + 1);
    merges.push_back({find(left), find(right), find(left + right), rank});
  }
  return merges;
}

/// Byte-level byte pair encoding.
Pipeline gpt2_pipeline(const GgufVocabulary& v) {
  if (v.merges.empty()) throw InputError("{}: tokenizer.ggml.merges is missing", v.source);
  if (v.merges.size() > static_cast<size_t>(kMaxVocabulary))
    throw InputError("{}: tokenizer.ggml.merges has {} entries; at most {} are taken", v.source,
                     v.merges.size(), kMaxVocabulary);
  Pipeline pipeline;
  auto vocabulary = vocabulary_of(v);
  GgufWords words = gguf_words(v.pre, v.source);
  BpeOptions options;
  options.ignore_merges = words.ignore_merges;  // and bytes without a token vanish, unknown_id or not
  pipeline.model = std::make_unique<Bpe>(vocabulary, parse_merges(v, *vocabulary), options);
  pipeline.pre_tokenizer = parse_pre_tokenizer(byte_level_words(words.expressions), v.source);
  pipeline.decoder = parse_decoder({{"type", "ByteLevel"}}, v.source);
  pipeline.added = added_tokens(v, *vocabulary);
  pipeline.vocabulary = vocabulary;
  set_special(v, words.add_bos, false, words.add_separator, pipeline);
  return pipeline;
}

/// A GGUF writes WordPiece's "the" as "▁the", "##ing" as "ing"; here they are written as everywhere else.
Pipeline bert_pipeline(const GgufVocabulary& v) {
  Pipeline pipeline;
  auto vocabulary = std::make_shared<Vocabulary>();
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    std::string_view token = v.tokens[id];
    bool bracketed = token.starts_with('[') && token.ends_with(']') && token.size() > 2;
    std::string piece(token);
    if (token.starts_with(kSpace)) {
      piece = token.substr(std::string_view(kSpace).size());
    } else if (type_of(v, id) != kControl && !bracketed) {
      piece = "##" + piece;
    }
    vocabulary->add(piece, static_cast<int64_t>(id), v.source);
  }
  auto unknown = checked_id(v, v.unknown_id, "unknown_token_id");
  if (!unknown) unknown = vocabulary->find("[UNK]");
  if (!unknown) throw InputError("{}: tokenizer.ggml.unknown_token_id is missing", v.source);
  constexpr size_t kMaxChars = 100;  // of a word, as BERT has it
  pipeline.model = std::make_unique<WordPiece>(vocabulary, *unknown, "##", kMaxChars);
  pipeline.normalizer = parse_normalizer({{"type", "BertNormalizer"}}, v.source);
  pipeline.pre_tokenizer = parse_pre_tokenizer({{"type", "BertPreTokenizer"}}, v.source);
  pipeline.decoder = parse_decoder({{"type", "WordPiece"}}, v.source);
  pipeline.added = added_tokens(v, *vocabulary);
  pipeline.vocabulary = vocabulary;
  set_special(v, true, false, true, pipeline);
  return pipeline;
}

Pipeline t5_pipeline(const GgufVocabulary& v) {
  if (v.scores.empty()) throw InputError("{}: tokenizer.ggml.scores is missing", v.source);
  Pipeline pipeline;
  auto vocabulary = vocabulary_of(v);
  std::vector<bool> usable(v.tokens.size());
  bool bytes = false;
  for (size_t id = 0; id < usable.size(); ++id) {
    TokenType type = type_of(v, id);
    usable[id] = type == kNormal || type == kUserDefined;
    bytes = bytes || type == kByte;
  }
  std::vector<double> scores(v.scores.begin(), v.scores.end());
  auto unknown = checked_id(v, v.unknown_id, "unknown_token_id");
  pipeline.model = std::make_unique<Unigram>(vocabulary, std::move(scores), usable, unknown, bytes, v.source);

  SentencePieceNormalization normalization;
  normalization.dummy_prefix = v.add_space_prefix.value_or(true);
  normalization.collapse_spaces = v.remove_extra_whitespaces.value_or(true);
  if (const auto& blob = v.precompiled_charsmap; !blob.empty())
    normalization.charsmap.emplace(std::string_view(reinterpret_cast<const char*>(blob.data()), blob.size()),
                                   v.source);
  const char* prefix = normalization.dummy_prefix ? "always" : "never";
  pipeline.normalizer = make_normalizer(std::move(normalization));
  pipeline.decoder = parse_decoder({{"type", "Metaspace"}, {"prepend_scheme", prefix}}, v.source);
  pipeline.added = added_tokens(v, *vocabulary);
  pipeline.vocabulary = vocabulary;
  set_special(v, false, true, false, pipeline);
  return pipeline;
}

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(GgufVocabulary v) {
  check(v);
  auto pipeline = [&] {
    if (v.model == "llama") return llama_pipeline(v);
    if (v.model == "gpt2") return gpt2_pipeline(v);
    if (v.model == "bert") return bert_pipeline(v);
    if (v.model == "t5") return t5_pipeline(v);
    throw UnsupportedError("{}: tokenizer.ggml.model is \"{}\"; llama, gpt2, bert and t5 are known", v.source,
                           v.model);
  }();
  return make_pipeline(std::move(pipeline), v.source);
}

}  // namespace halftone
