#include "tokenizer/tokenizer_json.h"

#include <optional>

#include "base/json.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unigram.h"
#include "tokenizer/wordpiece.h"

namespace halftone {

namespace {

int64_t integer(const Json& json, const std::string& where) {
  if (!json.is_number_integer())
    throw InputError("{}: {} where an id was expected", where, json.dump().substr(0, 80));
  return json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX ? INT64_MAX : json.get<int64_t>();
}

const Json& member(const Json& json, const char* key, const std::string& where) {
  auto found = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || found == json.end()) throw InputError("{}: key \"{}\" is missing", where, key);
  return *found;
}

std::shared_ptr<const Vocabulary> parse_vocabulary(const Json& model, const std::string& where) {
  const Json& vocab = member(model, "vocab", where);
  if (!vocab.is_object()) throw InputError("{}: vocab is not an object of pieces and ids", where);
  auto vocabulary = std::make_shared<Vocabulary>();
  for (const auto& [piece, id] : vocab.items())
    vocabulary->add(piece, integer(id, where + ": vocab"), where + ": vocab");
  return vocabulary;
}

std::optional<TokenId> find_unknown(const Json& model, const Vocabulary& vocabulary,
                                    const std::string& where) {
  auto name = json_get_or<std::string>(model, "unk_token", "", where);
  if (name.empty()) return std::nullopt;
  auto id = vocabulary.find(name);
  if (!id) throw InputError("{}: unk_token \"{}\" is not in the vocabulary", where, name);
  return id;
}

/// "left right" or ["left", "right"].
std::optional<std::pair<std::string, std::string>> merge_pair(const Json& json) {
  if (json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_string())
    return std::pair{json[0].get<std::string>(), json[1].get<std::string>()};
  if (!json.is_string()) return std::nullopt;
  const auto& text = json.get_ref<const std::string&>();
  size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return std::nullopt;
  return std::pair{text.substr(0, space), text.substr(space + 1)};
}

std::vector<Merge> parse_merges(const Json& model, const Vocabulary& vocabulary, const std::string& prefix,
                                const std::string& where) {
  const Json& list = member(model, "merges", where);
  if (!list.is_array() || list.size() > static_cast<size_t>(kMaxVocabulary))
    throw InputError("{}: merges is not a list of at most {} pairs", where, kMaxVocabulary);
  std::vector<Merge> merges;
  merges.reserve(list.size());
  for (const Json& json : list) {
    auto pair = merge_pair(json);
    if (!pair)
      throw InputError("{}: merge {} is {}; expected two pieces", where, merges.size(),
                       json.dump().substr(0, 80));
    auto& [left, right] = *pair;
    auto find = [&](const std::string& piece) {
      auto id = vocabulary.find(piece);
      if (!id) throw InputError("{}: merge {}: \"{}\" is not in the vocabulary", where, merges.size(), piece);
      return *id;
    };
    TokenId left_id = find(left), right_id = find(right);
    if (!prefix.empty() && right.starts_with(prefix)) right.erase(0, prefix.size());
    merges.push_back({left_id, right_id, find(left + right), static_cast<int32_t>(merges.size())});
  }
  return merges;
}

std::unique_ptr<SubwordModel> parse_bpe(const Json& model, std::shared_ptr<const Vocabulary> vocabulary,
                                        const std::string& where) {
  BpeOptions options;
  options.unknown = find_unknown(model, *vocabulary, where);
  options.fuse_unknown = json_get_or<bool>(model, "fuse_unk", false, where);
  options.byte_fallback = json_get_or<bool>(model, "byte_fallback", false, where);
  options.ignore_merges = json_get_or<bool>(model, "ignore_merges", false, where);
  options.continuing_prefix = json_get_or<std::string>(model, "continuing_subword_prefix", "", where);
  options.end_suffix = json_get_or<std::string>(model, "end_of_word_suffix", "", where);
  if (json_get_or<double>(model, "dropout", 0, where) != 0)
    throw UnsupportedError("{}: dropout makes ids a matter of chance", where);
  auto merges = parse_merges(model, *vocabulary, options.continuing_prefix, where);
  return std::make_unique<Bpe>(std::move(vocabulary), merges, std::move(options));
}

std::unique_ptr<SubwordModel> parse_wordpiece(const Json& model, std::shared_ptr<const Vocabulary> vocabulary,
                                              const std::string& where) {
  auto unknown = find_unknown(model, *vocabulary, where);
  if (!unknown) throw InputError("{}: unk_token is missing", where);
  auto max_chars = json_get_or<int64_t>(model, "max_input_chars_per_word", 100, where);
  if (max_chars < 0) throw InputError("{}: max_input_chars_per_word is {}", where, max_chars);
  auto prefix = json_get_or<std::string>(model, "continuing_subword_prefix", "##", where);
  return std::make_unique<WordPiece>(std::move(vocabulary), *unknown, prefix, static_cast<size_t>(max_chars));
}

/// A unigram's vocab is a list of [piece, score]; the place is the id.
std::pair<std::shared_ptr<const Vocabulary>, std::unique_ptr<SubwordModel>> parse_unigram(
    const Json& model, const std::string& where) {
  auto vocabulary = std::make_shared<Vocabulary>();
  std::vector<double> scores;
  const Json& vocab = member(model, "vocab", where);
  if (!vocab.is_array() || vocab.empty())
    throw InputError("{}: vocab is not a list of [piece, score]", where);
  for (const Json& entry : vocab) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      throw InputError("{}: vocab entry {} is {}; expected [piece, score]", where, scores.size(),
                       entry.dump().substr(0, 80));
    vocabulary->add(entry[0].get_ref<const std::string&>(), static_cast<int64_t>(scores.size()),
                    where + ": vocab");
    scores.push_back(entry[1].get<double>());
  }
  std::optional<TokenId> unknown;
  if (auto id = model.find("unk_id"); id != model.end() && !id->is_null()) {
    int64_t value = integer(*id, where + ": unk_id");
    if (value < 0 || value >= vocabulary->size())
      throw InputError("{}: unk_id {} is not in [0, {})", where, value, vocabulary->size());
    unknown = static_cast<TokenId>(value);
  }
  bool byte_fallback = json_get_or<bool>(model, "byte_fallback", false, where);
  std::vector<bool> usable(scores.size(), true);
  auto unigram =
      std::make_unique<Unigram>(vocabulary, std::move(scores), usable, unknown, byte_fallback, where);
  return {vocabulary, std::move(unigram)};
}

void parse_model(const Json& model, const std::string& source, Pipeline& pipeline) {
  std::string where = source + ": model";
  auto type = json_get_or<std::string>(model, "type", "", where);
  if (type.empty()) {  // files of old: told apart by what they hold
    const Json& vocab = member(model, "vocab", where);
    type = model.contains("merges") ? "BPE" : vocab.is_array() ? "Unigram" : "WordPiece";
  }
  if (type == "Unigram") {
    std::tie(pipeline.vocabulary, pipeline.model) = parse_unigram(model, where);
  } else if (type == "BPE") {
    pipeline.vocabulary = parse_vocabulary(model, where);
    pipeline.model = parse_bpe(model, pipeline.vocabulary, where);
  } else if (type == "WordPiece") {
    pipeline.vocabulary = parse_vocabulary(model, where);
    pipeline.model = parse_wordpiece(model, pipeline.vocabulary, where);
  } else {
    throw UnsupportedError("{} {} is not known", where, type);
  }
}

AddedTokens parse_added(const Json& root, const Vocabulary& vocabulary, const Normalizer* normalizer,
                        const std::string& source) {
  std::string where = source + ": added_tokens";
  std::vector<AddedToken> tokens;
  for (const Json& json : json_get_or<std::vector<Json>>(root, "added_tokens", {}, source)) {
    auto flag = [&](const char* key) { return json_get_or<bool>(json, key, false, where); };
    AddedToken token{json_get<std::string>(json, "content", where), 0};
    int64_t id = integer(member(json, "id", where), where);
    // A piece of the model keeps the id it has there, whatever is said here.
    if (auto known = vocabulary.find(token.text)) id = *known;
    if (id < 0 || id >= kMaxVocabulary)
      throw InputError("{}: \"{}\" has id {}, not in [0, {})", where, token.text, id, kMaxVocabulary);
    token.id = static_cast<TokenId>(id);
    if (vocabulary.has(token.id) && vocabulary.piece(token.id) != token.text)
      throw InputError("{}: \"{}\" has id {}, which is \"{}\" in the vocabulary", where, token.text, id,
                       vocabulary.piece(token.id));
    token.special = flag("special");
    token.single_word = flag("single_word");
    token.left_strip = flag("lstrip");
    token.right_strip = flag("rstrip");
    token.normalized = json_get_or<bool>(json, "normalized", !token.special, where);
    tokens.push_back(std::move(token));
  }
  return AddedTokens(std::move(tokens), normalizer, where);
}

}  // namespace

Pipeline parse_tokenizer_json_pipeline(std::string_view text, const std::string& source) {
  Json root = parse_json(text, source);
  if (!root.is_object()) throw InputError("{}: expected a JSON object", source);
  auto part = [&](const char* key) { return json_get_or<Json>(root, key, Json(), source); };
  Pipeline pipeline;
  parse_model(member(root, "model", source), source, pipeline);
  pipeline.normalizer = parse_normalizer(part("normalizer"), source);
  pipeline.pre_tokenizer = parse_pre_tokenizer(part("pre_tokenizer"), source);
  pipeline.post_processor = parse_post_processor(part("post_processor"), source);
  pipeline.decoder = parse_decoder(part("decoder"), source);
  pipeline.added = parse_added(root, *pipeline.vocabulary, pipeline.normalizer.get(), source);
  if (pipeline.post_processor.before.size() == 1) pipeline.bos = pipeline.post_processor.before[0];
  if (pipeline.post_processor.after.size() == 1) pipeline.eos = {pipeline.post_processor.after[0]};
  return pipeline;
}

std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, const std::string& source) {
  return make_pipeline(parse_tokenizer_json_pipeline(text, source), source);
}

}  // namespace halftone
