#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace halftone {

using TokenId = int32_t;

class DecoderChain;

/// Text to token ids and back. Immutable after loading: every call may run in several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// The ids of UTF-8 `text`; bytes that are not UTF-8 count as U+FFFD, as Python's errors="replace" has it.
  /// `add_special` puts BOS, EOS, [CLS], ... where the file's rules say. Special tokens that are spelled out
  /// in the text are recognised only with `parse_special`; added tokens that are not special always are.
  /// Throws InputError when the text cannot be written in this vocabulary (no unknown token) or a regular
  /// expression of the file runs away on it.
  virtual std::vector<TokenId> encode(std::string_view text, bool add_special = true,
                                      bool parse_special = true) const = 0;

  /// The text of `ids` as the file's decoder says: UTF-8, with U+FFFD where the ids spell something else.
  /// `skip_special` leaves special tokens out; ids outside the vocabulary always are.
  std::string decode(std::span<const TokenId> ids, bool skip_special = true) const;

  /// Ids are in [0, vocab_size()); some of them may be unused.
  virtual int vocab_size() const = 0;

  /// The tokens that begin and end a text, as the files say.
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::vector<TokenId> eos() const = 0;

  /// The token as the file spells it ("Ġthe", "▁the", "<0x0A>"); empty for an id that is not used or not in
  /// range.
  virtual std::string_view piece(TokenId id) const = 0;
  virtual std::optional<TokenId> find(std::string_view piece) const = 0;
  virtual bool is_special(TokenId id) const = 0;

  /// A fresh decoder that takes pieces one by one; decode() and StreamDecoder are made of it.
  virtual DecoderChain decoder() const = 0;
};

/// Text of a growing sequence of ids: what push() and finish() return, put together, is decode() of all ids.
class StreamDecoder {
 public:
  /// `tokenizer` must outlive this.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;

  /// The text that `id` completes: whole UTF-8 characters, possibly none.
  std::string push(TokenId id);

  /// What was held back, with U+FFFD for characters that never became whole.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::unique_ptr<DecoderChain> chain_;
};

/// From a model folder (tokenizer.json, else tokenizer.model, else *.tiktoken), or from one such file.
/// Beside it tokenizer_config.json and special_tokens_map.json are heeded. Throws InputError,
/// UnsupportedError.
std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path);

/// The text of a tokenizer.json; `source` names it in errors.
std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, const std::string& source);

/// The vocabulary inside a GGUF: the values of its keys `tokenizer.ggml.*`.
struct GgufVocabulary {
  std::string source;  // names the file in errors
  std::string name;    // general.name, may be empty
  std::string model;   // "llama", "gpt2", "bert", "t5"
  std::string pre;     // the pre-tokenizer's name, may be empty
  std::vector<std::string> tokens;
  std::vector<float> scores;         // empty or one a token
  std::vector<int32_t> token_types;  // empty or one a token
  std::vector<std::string> merges;   // "left right"
  std::vector<uint8_t> precompiled_charsmap;
  std::optional<int64_t> bos_id, eos_id, eot_id, eom_id, unknown_id, separator_id, cls_id;
  std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
};
std::unique_ptr<Tokenizer> make_tokenizer(GgufVocabulary vocabulary);

/// What tokenizer_config.json, special_tokens_map.json and chat_template.jinja of a folder say.
struct TokenizerConfig {
  struct ChatTemplate {
    std::string name;  // "default" for a lone one
    std::string text;  // Jinja
  };
  std::optional<std::string> bos_token, eos_token, unk_token, pad_token;
  std::optional<bool> add_bos_token, add_eos_token;
  std::string tokenizer_class;
  std::vector<ChatTemplate> chat_templates;

  /// The template of that name, or null.
  const std::string* chat_template(std::string_view name = "default") const;
};

/// Missing files leave their fields empty. Throws InputError when one is there and wrong.
TokenizerConfig read_tokenizer_config(const fs::path& folder);

}  // namespace halftone
