#include "tokenizer/make_gguf_vocabulary.h"

#include <algorithm>
#include <map>

#include "base/json.h"
#include "tokenizer/gguf_words.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/sentencepiece_proto.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/words.h"

namespace halftone {
namespace {

constexpr size_t kMaxFile = 256 << 20;
constexpr float kNeverMerged = -1e6f;  ///< score of pieces that no merge makes

// tokenizer.ggml.token_type
enum TokenType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

constexpr std::string_view kProbes[] = {
    "Hello, world! It's 2024; I'll pay $1234567.89 (or 3 500 €).\n\n  def f(x):\n\treturn x**2  # ok?\r\n    "
    "\n",
    "ÄÖÜ äöü ßẞ naïve café — “quotes” … ‹x› 'S 'LL DON'T they're WE'VE i'm",
    "Привет, мир! Ελληνικά עברית العربية हिन्दी ไทย 你好，世界。日本語テキスト 한국어 123４５６",
    "🙂👩‍👩‍👧 ☃ e\u0301 \u200b\u00a0x   trailing   ",
    "CamelCaseHTTPServer snake_case a1b2c3 0x1F 1,000,000 3.14159 12345678901 ~/.bashrc <|endoftext|><s></s> "
    "x",
    " leading",
    "\n",
    "\n\n\n x",
    "",
    "x",
    "!!!???...---===",
    "one  two   three\t\tfour"};

/// Ids of text that holds characters the vocabulary cannot spell: nothing.
std::optional<std::vector<TokenId>> ids_of(const Tokenizer& tokenizer, std::string_view text,
                                           bool parse_special) {
  try {
    return tokenizer.encode(text, true, parse_special);
  } catch (const InputError&) {
    return std::nullopt;
  }
}

bool same_ids(const Tokenizer& a, const Tokenizer& b) {
  for (const std::string_view text : kProbes)
    for (const bool parse_special : {false, true}) {
      const auto ids = ids_of(a, text, parse_special);
      if (ids != ids_of(b, text, parse_special)) return false;
      if (ids && a.decode(*ids) != b.decode(*ids)) return false;
    }
  return true;
}

bool acts_alike(const GgufVocabulary& vocabulary, const Tokenizer& original) {
  try {
    return same_ids(*make_tokenizer(vocabulary), original);
  } catch (const Error&) {
    return false;
  }
}

void set_token(GgufVocabulary& v, int64_t id, std::string piece, int32_t type) {
  if (id < 0 || id >= kMaxVocabulary)
    throw InputError("{}: id {} is not in [0, {})", v.source, id, kMaxVocabulary);
  const auto at = static_cast<size_t>(id);
  if (v.tokens.size() <= at) {
    v.tokens.resize(at + 1);
    v.token_types.resize(at + 1, kUnused);
  }
  v.tokens[at] = std::move(piece);
  v.token_types[at] = type;
}

bool cuts_bytes(const Json& root) {
  return json_get_or<Json>(root, "decoder", Json(), "").dump().find("\"ByteLevel\"") != std::string::npos;
}

void add_merges(GgufVocabulary& v, const Json& model) {
  std::map<std::string, float> score_of;
  for (const Json& merge : json_get<std::vector<Json>>(model, "merges", v.source)) {
    const std::string pair = merge.is_array()
                                 ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                                 : merge.get<std::string>();
    const size_t space = pair.find(' ', 1);
    // The rank of the merge that makes a piece is its score.
    score_of.emplace(pair.substr(0, space) + pair.substr(space + 1), -static_cast<float>(v.merges.size()));
    v.merges.push_back(pair);
  }
  if (v.model == "gpt2") return;
  v.merges.clear();
  v.scores.resize(v.tokens.size());
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const auto found = score_of.find(v.tokens[id]);
    v.scores[id] = found == score_of.end() ? kNeverMerged : found->second;
  }
}

/// The text was checked when the folder's tokenizer was made.
GgufVocabulary from_tokenizer_json(const fs::path& path) {
  GgufVocabulary v;
  v.source = path.string();
  const Json root = parse_json(read_text(path, kMaxFile), v.source);
  const Json& model = root["model"];
  if (!model.contains("merges"))
    throw UnsupportedError("{}: GGUF is written with vocabularies of byte pair encoding, not of \"{}\"",
                           v.source, json_get_or<std::string>(model, "type", "?", v.source));
  v.model = cuts_bytes(root) ? "gpt2" : "llama";
  const auto unknown = json_get_or<std::string>(model, "unk_token", "", v.source);
  const bool byte_fallback = json_get_or<bool>(model, "byte_fallback", false, v.source);
  for (const auto& [piece, id] : model["vocab"].items()) {
    const bool byte = byte_fallback && byte_of_piece(piece);
    set_token(v, id.get<int64_t>(), piece, byte ? kByte : piece == unknown ? kUnknown : kNormal);
    if (piece == unknown) v.unknown_id = id.get<int64_t>();
  }
  for (const Json& token : json_get_or<std::vector<Json>>(root, "added_tokens", {}, v.source)) {
    const auto id = json_get<int64_t>(token, "id", v.source);
    if (id != v.unknown_id)
      set_token(v, id, json_get<std::string>(token, "content", v.source),
                json_get_or<bool>(token, "special", false, v.source) ? kControl : kUserDefined);
  }
  add_merges(v, model);
  return v;
}

GgufVocabulary from_sentencepiece(const fs::path& path) {
  GgufVocabulary v;
  v.source = path.string();
  const SentencePieceProto proto = parse_sentencepiece_proto(read_text(path, kMaxFile), v.source);
  if (proto.model != SentencePieceProto::Model::bpe)
    throw UnsupportedError("{}: GGUF is written with vocabularies of byte pair encoding, not unigram's",
                           v.source);
  v.model = "llama";
  for (const SentencePieceProto::Piece& piece : proto.pieces) {
    const auto id = static_cast<int64_t>(v.tokens.size());
    if (piece.type == SentencePieceProto::Type::unknown) v.unknown_id = id;
    set_token(v, id, piece.text, static_cast<int32_t>(piece.type));
    v.scores.push_back(piece.score);
  }
  for (const AddedToken& token : read_added_tokens(path.parent_path()))
    set_token(v, token.id, token.text, token.special ? kControl : kUserDefined);
  v.scores.resize(v.tokens.size(), kNeverMerged);
  return v;
}

/// The regular expressions at which a pre-tokenizer of tokenizer.json cuts.
void collect_expressions(const Json& json, std::vector<std::string>& expressions) {
  if (!json.is_object()) return;
  const std::string type = json.value("type", "");
  if (type == "Sequence")
    for (const Json& part : json["pretokenizers"]) collect_expressions(part, expressions);
  if (type == "Split" && json["pattern"].contains("Regex"))
    expressions.push_back(json["pattern"]["Regex"].get<std::string>());
  if (type == "ByteLevel" && json.value("use_regex", true)) expressions.emplace_back(kGpt2Words);
  if (type == "Digits")
    expressions.emplace_back(json.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
}

/// Names of ways to cut words, those that read like the tokenizer's own first.
std::vector<std::string> ways_to_cut(const fs::path& tokenizer_json) {
  const Json root = parse_json(read_text(tokenizer_json, kMaxFile), tokenizer_json.string());
  std::vector<std::string> expressions;
  collect_expressions(root["pre_tokenizer"], expressions);
  const bool ignore_merges = root["model"].value("ignore_merges", false);
  auto difference = [&](const std::string& name) {
    const GgufWords words = gguf_words(name, tokenizer_json.string());
    return (words.expressions != expressions ? 2 : 0) + (words.ignore_merges != ignore_merges ? 1 : 0);
  };
  std::vector<std::string> names = gguf_word_names();
  std::ranges::stable_sort(names, {}, difference);
  return names;
}

void pad(GgufVocabulary& v, int64_t rows) {
  if (static_cast<int64_t>(v.tokens.size()) > rows)
    throw UnsupportedError("{}: {} tokens, but the embedding has {} rows", v.source, v.tokens.size(), rows);
  v.tokens.resize(static_cast<size_t>(rows));
  v.token_types.resize(v.tokens.size(), kUnused);
  if (!v.scores.empty()) v.scores.resize(v.tokens.size(), kNeverMerged);
  for (size_t id = 0; id < v.tokens.size(); ++id)
    if (v.tokens[id].empty()) v.tokens[id] = fmt::format("[PAD{}]", id);
}

void set_special(GgufVocabulary& v, const Tokenizer& original) {
  v.bos_id = original.bos();
  const std::vector<TokenId> eos = original.eos();
  if (!eos.empty()) v.eos_id = eos.front();
  const std::vector<TokenId> ids = original.encode("", true);
  v.add_bos = v.bos_id && !ids.empty() && ids.front() == *v.bos_id;
  v.add_eos =
      v.eos_id && !ids.empty() && ids.back() == *v.eos_id && !(v.bos_id == v.eos_id && ids.size() == 1);
}

/// Sets what says how text is cut, so that the vocabulary acts like the original; false where nothing does.
bool find_way(GgufVocabulary& v, const fs::path& tokenizer_json, const Tokenizer& original) {
  if (v.model == "gpt2") {
    for (std::string& way : ways_to_cut(tokenizer_json)) {
      v.pre = std::move(way);
      if (acts_alike(v, original)) return true;
    }
    return false;
  }
  v.pre = "default";
  for (const bool space : {true, false}) {
    v.add_space_prefix = space;
    if (acts_alike(v, original)) return true;
  }
  return false;
}

}  // namespace

GgufVocabulary make_gguf_vocabulary(const fs::path& folder, int64_t rows) {
  const fs::path json = folder / "tokenizer.json", proto = folder / "tokenizer.model";
  const std::unique_ptr<Tokenizer> original = load_tokenizer(folder);
  std::vector<GgufVocabulary> candidates;
  if (fs::exists(json)) candidates.push_back(from_tokenizer_json(json));
  // Where there are scores, they are better than ranks of merges.
  if (fs::exists(proto) && (candidates.empty() || candidates.front().model == "llama"))
    candidates.insert(candidates.begin(), from_sentencepiece(proto));
  if (candidates.empty())
    throw UnsupportedError("{}: a GGUF's vocabulary is made of tokenizer.json or tokenizer.model",
                           folder.string());
  for (GgufVocabulary& candidate : candidates) {
    pad(candidate, rows);
    set_special(candidate, *original);
    const std::string own_name = fs::weakly_canonical(folder).stem().string();
    for (const std::string& name : {own_name, "phi-3 " + own_name, std::string("llm")}) {
      candidate.name = name;
      if (find_way(candidate, json, *original)) return candidate;
    }
  }
  throw UnsupportedError("{}: no way to cut words that a GGUF can name gives this tokenizer's ids",
                         folder.string());
}

}  // namespace halftone
