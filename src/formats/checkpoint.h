#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "ops/constant.h"
#include "ops/op_schema.h"

namespace halftone {

/// A trained model as its files hold it: named tensors and configuration, whatever the file format.
///
/// Names, shapes and conventions are those of Hugging Face transformers
/// ("model.layers.0.self_attn.q_proj.weight", weights [out, in], q and k rows in rotate-half order, Gemma's
/// norm weights without the added 1), and so are the keys of `config`; readers of other formats translate.
/// Tensors that a format holds quantized (GGUF, AWQ, GPTQ, ...) come as constants that already carry their
/// encoding; MODULE.input_order (i64), where there is one, says which input each column of MODULE.weight
/// multiplies. Nothing is read from a tensor's bytes before its constant is loaded.
class Checkpoint {
 public:
  fs::path path;                                  ///< the folder or file it came from; names it in errors
  Json config = Json::object();                   ///< config.json
  Json generation_config = Json::object();        ///< generation_config.json; empty where there is none
  std::map<std::string, std::string> metadata{};  ///< what the tensor files say about themselves

  /// In the files' order.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(std::string_view name) const { return constants_.find(name) != constants_.end(); }

  /// Each throws InputError that names the checkpoint and the tensor when it is absent (or has another
  /// shape).
  ValueType type(std::string_view name) const;
  const Constant& constant(std::string_view name) const;
  const Constant& constant(std::string_view name, const Shape& expected) const;

  /// Throws InputError when the name is taken.
  void add(std::string name, Constant constant);

 private:
  std::vector<std::string> names_;
  std::map<std::string, Constant, std::less<>> constants_;
};

/// A Hugging Face folder (config.json and model.safetensors, or shards and their index), one .safetensors
/// file, or one .gguf file. Throws InputError, UnsupportedError.
Checkpoint open_checkpoint(const fs::path& path);

}  // namespace halftone
