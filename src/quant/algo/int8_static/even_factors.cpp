#include "quant/algo/int8_static/even_factors.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

/// A channel smaller than this share of the largest is not enlarged further: on other pictures it may be
/// larger.
constexpr double kLeast = 1.0 / 256;
constexpr double kRatios[] = {1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
constexpr double kAlphas[] = {0, 0.25, 0.5, 0.75, 1};
/// The least alpha within this of the least noise (2 dB) is taken: on other pictures a channel may reach
/// further than calibration data told, and the more it was enlarged the sooner it is cut off.
constexpr double kNear = 1.6;

double reach(const ChannelSpread& channel, double r) {
  return std::max(double{channel.high}, -r * double{channel.low});
}

/// A convolution as far as noise goes: [outputs, channels of a group], over the taps of its window.
struct Reader {
  std::vector<int32_t> classes;  ///< of the channels it reads
  std::vector<double> squares;   ///< sum of w^2
  std::vector<double> largest;   ///< |w|
  size_t outputs, columns;       ///< columns: channels of a group
  double taps;
};

Reader make_reader(const Graph& graph, const Node& node, const ChannelClasses& classes) {
  const Tensor weights = to_f32(graph.value(node.inputs[1]).constant->load());
  const Shape& shape = weights.shape();
  Reader reader{classes.of(node.inputs[0]),    {}, {}, static_cast<size_t>(shape[0]),
                static_cast<size_t>(shape[1]), 0};
  const size_t cells = reader.outputs * reader.columns, taps = weights.span<float>().size() / cells;
  reader.taps = static_cast<double>(taps);
  reader.squares.resize(cells);
  reader.largest.resize(cells);
  for (size_t i = 0; i < cells; ++i)
    for (const float w : weights.span<float>().subspan(i * taps, taps)) {
      reader.squares[i] += double{w} * double{w};
      reader.largest[i] = std::max(reader.largest[i], std::abs(double{w}));
    }
  return reader;
}

/// Classes that meet in values, and what reads these values.
struct Component {
  std::map<int32_t, ChannelSpread> classes;
  double stays = 0;  ///< reach of channels of class 0 beside them
  std::vector<const Reader*> readers;
};

/// The ratio of codes above 0 to those below.
double best_ratio(const Component& component) {
  double best = 1, least = 0;
  for (const double r : kRatios) {
    double noise = 0;
    for (const auto& [c, channel] : component.classes) {
      const double range = double{channel.high} - double{channel.low};
      if (range > 0) noise += std::pow(reach(channel, r) * (1 + 1 / r) / range, 2);
    }
    if (r != kRatios[0] && noise >= least) continue;
    least = noise;
    best = r;
  }
  return best;
}

std::map<int32_t, double> factors_for(const Component& component, double r, double whole, double alpha) {
  std::map<int32_t, double> factors;
  for (const auto& [c, channel] : component.classes) {
    const double own = reach(channel, r);
    factors[c] = own > 0 && whole > 0 ? std::pow(std::max(own / whole, kLeast), alpha) : 1;
  }
  return factors;
}

/// Noise beside signal behind one convolution.
double noise_behind(const Reader& reader, const Component& component,
                    const std::map<int32_t, double>& factors, double step) {
  double noise = 0, signal = 0;
  const size_t groups = reader.classes.size() / reader.columns, group_outputs = reader.outputs / groups;
  std::vector<double> factor, variance;
  for (const int32_t c : reader.classes) {
    const auto found = factors.find(c);
    factor.push_back(found == factors.end() ? 1 : found->second);
    const auto spread = component.classes.find(c);
    variance.push_back(spread == component.classes.end() ? 0 : spread->second.variance());
  }
  for (size_t o = 0; o < reader.outputs; ++o) {
    const size_t first = o / group_outputs * reader.columns;
    double largest = 0, spread = 0;
    for (size_t i = 0; i < reader.columns; ++i) {
      const double f = factor[first + i], w2 = reader.squares[o * reader.columns + i];
      noise += w2 * f * f * step * step / 12;
      signal += w2 * variance[first + i];
      largest = std::max(largest, reader.largest[o * reader.columns + i] * f);
      spread += reader.taps * variance[first + i] / (f * f);
    }
    noise += std::pow(largest / 127, 2) / 12 * spread;
  }
  return signal > 0 ? noise / signal : 0;
}

std::map<int32_t, double> best_factors(const Component& component) {
  const double r = best_ratio(component);
  double whole = component.stays;
  if (whole == 0)
    for (const auto& [c, channel] : component.classes) whole = std::max(whole, reach(channel, r));
  const double step = whole * (1 + 1 / r) / 255;
  std::vector<double> noises;
  for (const double alpha : kAlphas) {
    const std::map<int32_t, double> factors = factors_for(component, r, whole, alpha);
    double noise = 0;
    for (const Reader* reader : component.readers) noise += noise_behind(*reader, component, factors, step);
    noises.push_back(noise);
  }
  const double allowed = kNear * *std::min_element(noises.begin(), noises.end());
  const auto chosen =
      std::find_if(noises.begin(), noises.end(), [&](double noise) { return noise <= allowed; });
  // Weights that are not finite: nothing is divided here, and who rounds them names them.
  if (chosen == noises.end()) return factors_for(component, r, whole, 0);
  return factors_for(component, r, whole, kAlphas[chosen - noises.begin()]);
}

/// Sets of classes, by a representative.
class Meetings {
 public:
  int32_t root(int32_t c) {
    while (parent_.try_emplace(c, c).first->second != c) c = parent_[c];
    return c;
  }
  void join(int32_t a, int32_t b) { parent_[root(a)] = root(b); }

 private:
  std::map<int32_t, int32_t> parent_;
};

}  // namespace

std::map<int32_t, float> choose_even_factors(const Graph& graph, const ChannelClasses& classes,
                                             const std::map<std::string, std::vector<ChannelSpread>>& seen) {
  Meetings meetings;
  std::vector<std::vector<int32_t>> values;  // classes of each value
  for (size_t id = 0; id < graph.values().size(); ++id) {
    values.push_back(classes.of(static_cast<ValueId>(id)));
    int32_t last = 0;
    for (const int32_t c : values.back()) {
      if (c != 0 && last != 0) meetings.join(c, last);
      if (c != 0) last = c;
    }
  }
  std::map<int32_t, Component> components;
  for (size_t id = 0; id < values.size(); ++id) {
    const auto found = seen.find(graph.values()[id].name);
    const auto named = std::find_if(values[id].begin(), values[id].end(), [](int32_t c) { return c != 0; });
    if (found == seen.end() || named == values[id].end()) continue;
    Component& component = components[meetings.root(*named)];
    for (size_t c = 0; c < values[id].size(); ++c)
      if (values[id][c] == 0)
        component.stays = std::max(component.stays, reach(found->second[c], 1));
      else
        component.classes[values[id][c]].include(found->second[c]);
  }
  const UseMap uses(graph);
  std::vector<Reader> readers;
  readers.reserve(graph.nodes().size());
  for (const Node& node : graph.nodes()) {
    if (!multiplies_input(graph, uses, node)) continue;
    const std::vector<int32_t>& read = values[static_cast<size_t>(node.inputs[0])];
    const auto named = std::find_if(read.begin(), read.end(), [](int32_t c) { return c != 0; });
    if (named == read.end() || graph.value(node.inputs[1]).type.shape.elements() == 0) continue;
    readers.push_back(make_reader(graph, node, classes));
    components[meetings.root(*named)].readers.push_back(&readers.back());
  }
  std::map<int32_t, float> factors{{0, 1.0f}};
  for (const auto& [representative, component] : components)
    for (const auto& [c, factor] : best_factors(component)) factors[c] = static_cast<float>(factor);
  return factors;
}

}  // namespace halftone
