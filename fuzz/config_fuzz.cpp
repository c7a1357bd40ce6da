#include <functional>
#include <string_view>

#include "base/error.h"
#include "formats/graph_json.h"
#include "formats/hf_config.h"

namespace {

using namespace halftone;

/// Small constants hold numbers that their names choose; the others are never loaded.
class SomeNumbers : public ConstantSource {
 public:
  SomeNumbers(const ValueType& type, const std::string& name) : type_(type), name_(name) {}

  Tensor load() const override {
    if (type_.shape.elements() > 64) throw InputError("no numbers");
    Tensor tensor = Tensor::zeros(type_.dtype, type_.shape);
    if (type_.dtype != DType::i64) return tensor;
    size_t at = std::hash<std::string>()(name_);
    for (int64_t& value : tensor.mutable_view().span<int64_t>()) value = kNumbers[at++ % std::size(kNumbers)];
    return tensor;
  }

 private:
  static constexpr int64_t kNumbers[] = {0, -1, 1, 2, 64, 3, -2, 128, INT64_MAX, 0, 1, INT64_MIN, 2, 32, -3};
  ValueType type_;
  std::string name_;
};

Constant constant_of(const std::string& name, const ValueType& type,
                     const std::optional<Encoding>& encoding) {
  Constant constant(type.dtype, type.shape, std::make_shared<SomeNumbers>(type, name));
  if (encoding) constant.set_encoding(*encoding);
  return constant;
}

template <class Work>
void attempt(Work work) {
  try {
    work();
  } catch (const Error&) {
  }
}

}  // namespace

/// Any text is a config.json, a generation_config.json, the graph of a halftone.json,
/// or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] { parse_hf_config(text, "fuzz"); });
  attempt([&] { parse_generation_config(text, "fuzz"); });
  attempt([&] {
    const Json json = parse_json(text, "fuzz");
    const Json& graph = json.is_object() && json.contains("graph") ? json["graph"] : json;
    graph_text(graph_from_json(graph, "fuzz", constant_of));
  });
  return 0;
}
