#include "ops/recurrent/recurrent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/elementwise.h"
#include "ops/recurrent/recurrent_reference.h"

namespace halftone {
namespace {

using Slot = RecurrentSlot;

CellFunction function_named(const OpSite& site, std::string_view name) {
  std::string plain(name);
  std::transform(plain.begin(), plain.end(), plain.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (plain == "sigmoid") return CellFunction::sigmoid;
  if (plain == "tanh") return CellFunction::tanh;
  if (plain == "relu") return CellFunction::relu;
  throw UnsupportedError("{} ({}): activation {}; Sigmoid, Tanh and Relu are handled", site.name,
                         site.schema->name, name);
}

/// The names of attribute activations, one direction after the other.
void read_functions(const OpSite& site, RecurrentLayer& layer) {
  const size_t each = layer.kind == Recurrence::lstm ? 3 : layer.kind == Recurrence::gru ? 2 : 1;
  const std::array<CellFunction, 3> usual =
      layer.kind == Recurrence::rnn
          ? std::array{CellFunction::tanh, CellFunction::tanh, CellFunction::tanh}
          : std::array{CellFunction::sigmoid, CellFunction::tanh, CellFunction::tanh};
  layer.functions = {usual, usual};
  const std::string names = site.attributes->get_string("activations", "");
  if (names.empty()) return;
  std::vector<CellFunction> read;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    read.push_back(function_named(site, std::string_view(names).substr(begin, end - begin)));
    begin = end + 1;
  }
  const size_t expected = each * static_cast<size_t>(layer.directions);
  require(site, read.size() == expected, "activations: expected {} names, found {}", expected, read.size());
  for (size_t d = 0; d < static_cast<size_t>(layer.directions); ++d)
    std::copy_n(read.begin() + static_cast<std::ptrdiff_t>(d * each), each, layer.functions[d].begin());
}

/// Names of sizes may differ: whether they are the same is seen when both are known.
void require_shape(const OpSite& site, size_t input, const Shape& expected) {
  if (!site.has_input(input)) return;
  const Shape& found = site.input_shape(input);
  const bool fits = std::equal(found.begin(), found.end(), expected.begin(), expected.end(),
                               [](int64_t a, int64_t b) { return a < 0 || b < 0 || a == b; });
  require(site, fits, "{}: expected {}, found {}", site.schema->inputs[input].name, expected.str(),
          found.str());
}

std::vector<ValueType> infer(const OpSite& site) {
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    if (!site.has_input(i)) continue;
    const DType expected = i == Slot::lengths ? DType::i32 : site.inputs[Slot::sequence].type.dtype;
    require(site, site.inputs[i].type.dtype == expected && (i == Slot::lengths || is_float(expected)),
            "{} is {}, not {}", site.schema->inputs[i].name, dtype_name(site.inputs[i].type.dtype),
            i == Slot::lengths ? "i32" : "floating, as X is");
  }
  const RecurrentLayer layer = recurrent_layer(site);
  const int64_t h = layer.hidden, d = layer.directions, g = layer.gates(), n = layer.batch, t = layer.steps;
  const Shape state = layer.batch_first ? Shape{n, d, h} : Shape{d, n, h};
  require_shape(site, Slot::weights, {d, g * h, layer.inputs});
  require_shape(site, Slot::recurrence, {d, g * h, h});
  require_shape(site, Slot::bias, {d, 2 * g * h});
  require_shape(site, Slot::lengths, {n});
  require_shape(site, Slot::hidden, state);
  require_shape(site, Slot::cell, state);
  require_shape(site, Slot::peepholes, {d, 3 * h});
  const DType dtype = site.inputs[Slot::sequence].type.dtype;
  std::vector<ValueType> outputs{{dtype, layer.batch_first ? Shape{n, t, d, h} : Shape{t, d, n, h}},
                                 {dtype, state}};
  if (layer.kind == Recurrence::lstm) outputs.push_back({dtype, state});
  return outputs;
}

Cost cost(const OpSite& site) {
  const RecurrentLayer layer = recurrent_layer(site);
  Cost total = traffic(site);
  const double cells = static_cast<double>(layer.steps * layer.batch * layer.directions * layer.hidden);
  total.flops =
      cells * static_cast<double>(layer.gates()) * (2 * static_cast<double>(layer.inputs + layer.hidden) + 4);
  return total;
}

OpSchema schema(std::string_view name, bool has_cell) {
  OpSchema made = {
      .name = name,
      .domain = "",
      .inputs = {{"X"}, {"W"}, {"R"}, {"B", true}, {"sequence_lens", true}, {"initial_h", true}},
      .outputs = {"Y", "Y_h"},
      .optional_outputs = has_cell ? size_t{2} : size_t{1},
      .infer = infer,
      .cost = cost,
      .reference = recurrent_reference,
  };
  if (has_cell) {
    made.inputs.push_back({"initial_c", true});
    made.inputs.push_back({"P", true});
    made.outputs.push_back("Y_c");
  }
  return made;
}

}  // namespace

RecurrentLayer recurrent_layer(const OpSite& site) {
  const Shape &x = site.input_shape(Slot::sequence), &w = site.input_shape(Slot::weights),
              &r = site.input_shape(Slot::recurrence);
  require(site, x.rank() == 3 && w.rank() == 3 && r.rank() == 3,
          "X, W and R: expected three axes each, found {}, {}, {}", x.rank(), w.rank(), r.rank());
  require(site, w.is_concrete() && r.is_concrete(), "W and R: expected known sizes, found {} and {}", w.str(),
          r.str());
  RecurrentLayer layer{};
  const std::string_view name = site.schema->name;
  layer.kind = name == "LSTM" ? Recurrence::lstm : name == "GRU" ? Recurrence::gru : Recurrence::rnn;
  const Attributes& attributes = *site.attributes;
  const std::string direction = attributes.get_string("direction", "forward");
  require(site, direction == "forward" || direction == "reverse" || direction == "bidirectional",
          "direction: expected forward, reverse or bidirectional, found \"{}\"", direction);
  const int64_t layout = attributes.get_int("layout", 0);
  require(site, layout == 0 || layout == 1, "layout: expected 0 or 1, found {}", layout);
  layer.batch_first = layout == 1;
  layer.steps = x[layer.batch_first ? 1 : 0];
  layer.batch = x[layer.batch_first ? 0 : 1];
  layer.inputs = w[2];
  layer.hidden = r[2];
  layer.directions = direction == "bidirectional" ? 2 : 1;
  layer.starts_reversed = direction == "reverse";
  require(site, x[2] < 0 || x[2] == layer.inputs, "X has {} features, W takes {}", x[2], layer.inputs);
  require(site, attributes.get_int("hidden_size", layer.hidden) == layer.hidden,
          "hidden_size is {}, R has {}", attributes.get_int("hidden_size", 0), layer.hidden);
  layer.clip = attributes.get_float("clip", std::numeric_limits<float>::infinity());
  require(site, layer.clip > 0, "clip: expected more than 0, found {}", layer.clip);
  layer.couples_input = attributes.get_int("input_forget", 0) != 0;
  layer.resets_after = attributes.get_int("linear_before_reset", 0) != 0;
  read_functions(site, layer);
  return layer;
}

std::span<const OpSchema> recurrent_schemas() {
  static const OpSchema schemas[] = {schema("GRU", false), schema("LSTM", true), schema("RNN", false)};
  return schemas;
}

}  // namespace halftone
