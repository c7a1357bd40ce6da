#include "ops/grid_sample/grid_sample.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace halftone {
GridSampling grid_sampling(const OpSite& site) {
  using Mode = GridSampling::Mode;
  using Padding = GridSampling::Padding;
  const std::string mode = site.attributes->get_string("mode", "linear");
  const std::string padding = site.attributes->get_string("padding_mode", "zeros");
  const bool linear = mode == "linear" || mode == "bilinear", cubic = mode == "cubic" || mode == "bicubic";
  require(site, linear || cubic || mode == "nearest", "attribute mode: found \"{}\"", mode);
  require(site, padding == "zeros" || padding == "border" || padding == "reflection",
          "attribute padding_mode: found \"{}\"", padding);
  return {linear  ? Mode::linear
          : cubic ? Mode::cubic
                  : Mode::nearest,
          padding == "zeros"    ? Padding::zeros
          : padding == "border" ? Padding::border
                                : Padding::reflection,
          site.attributes->get_int("align_corners", 0) != 0};
}

namespace {

using Mode = GridSampling::Mode;
using Padding = GridSampling::Padding;

std::vector<ValueType> infer(const OpSite& site) {
  infer_float_map(site);
  grid_sampling(site);
  const Shape& x = site.input_shape(0);
  const Shape& grid = site.input_shape(1);
  require(site, is_float(site.inputs[1].type.dtype), "grid: expected floating point, found {}",
          dtype_name(site.inputs[1].type.dtype));
  require(site,
          x.rank() >= 3 && grid.rank() == x.rank() && sizes_may_agree(x[0], grid[0]) &&
              sizes_may_agree(grid.back(), x.rank() - 2),
          "X {} and grid {} do not fit together", x.str(), grid.str());
  Shape y{x[0], x[1]};
  for (int axis = 1; axis + 1 < grid.rank(); ++axis) y.push_back(grid[axis]);
  return {{site.inputs[0].type.dtype, y}};
}

/// Elements read for one output element.
double taps_of(const OpSite& site) {
  const Mode mode = grid_sampling(site).mode;
  const double taps = mode == Mode::nearest ? 1 : mode == Mode::linear ? 2 : 4;
  return std::pow(taps, site.input_shape(0).rank() - 2);
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 2 * taps_of(site) * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

/// x mirrored at the two edges until it lies between them.
float reflect(float x, float low, float high) {
  const float range = high - low;
  if (range <= 0) return low;
  const float beyond = x < low ? low - x : x - high;
  if (!(beyond > 0)) return x;
  const float times = std::floor(beyond / range);
  const float rest = beyond - times * range;
  const bool from_low = (x < low) == (std::fmod(times, 2.0f) == 0);
  return from_low ? low + rest : high - rest;
}

}  // namespace

GridTaps grid_taps(float normal, int64_t size, const GridSampling& sampling) {
  const auto length = static_cast<float>(size);
  const float low = sampling.align_corners ? 0 : -0.5f;
  const float high = sampling.align_corners ? length - 1 : length - 0.5f;
  float x = sampling.align_corners ? (normal + 1) / 2 * (length - 1) : ((normal + 1) * length - 1) / 2;
  if (std::isnan(x)) return {};
  if (sampling.mode == Mode::nearest) x = std::nearbyint(x);
  if (x < low || x > high) {
    if (sampling.padding == Padding::border) x = std::clamp(x, 0.0f, length - 1);
    if (sampling.padding == Padding::reflection) x = reflect(x, low, high);
  }
  if (std::fabs(x) > 0x1p30f) return {};  // far outside: only zeros are there

  GridTaps taps;
  auto add = [&](float place, double weight) {
    if (sampling.padding == Padding::border) place = std::clamp(place, 0.0f, length - 1);
    if (sampling.padding == Padding::reflection) place = std::trunc(reflect(place, low, high));
    if (place >= 0 && place < length) taps.taps[taps.count++] = {static_cast<int64_t>(place), weight};
  };
  const float floor = std::floor(x);
  const double t = x - floor;
  if (sampling.mode == Mode::nearest) {
    add(x, 1);
  } else if (sampling.mode == Mode::linear) {
    add(floor, 1 - t);
    add(floor + 1, t);
  } else {
    constexpr double a = -0.75;  // Keys' free coefficient, as ONNX fixes it
    const auto outer = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    const auto inner = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
    add(floor - 1, outer(1 + t));
    add(floor, inner(t));
    add(floor + 1, inner(1 - t));
    add(floor + 2, outer(2 - t));
  }
  return taps;
}

namespace {

/// The sum over the taps of axes from `axis` on; `base` counts elements of the axes before.
double weighted_sum(const TensorView& x, int64_t base, std::span<const GridTaps> taps, int axis) {
  if (taps.empty()) {
    float value;
    load_floats(x, base, {&value, 1});
    return value;
  }
  double sum = 0;
  for (const GridTap& tap : std::span(taps[0].taps).first(taps[0].count))
    sum += tap.weight * weighted_sum(x, base * x.shape[axis] + tap.index, taps.subspan(1), axis + 1);
  return sum;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]), grid = plain(inputs[1]);
  const GridSampling sampling = grid_sampling(site);
  const Shape& y = outputs[0].shape;
  if (y.elements() == 0) return;
  const int axes = y.rank() - 2;
  const int64_t channels = y[1], places = y.elements() / (y[0] * channels);
  std::vector<float> point(static_cast<size_t>(axes));
  std::vector<GridTaps> taps(point.size());
  for (int64_t n = 0; n < y[0]; ++n)
    for (int64_t place = 0; place < places; ++place) {
      load_floats(grid.view(), (n * places + place) * axes, point);
      for (int axis = 0; axis < axes; ++axis)
        taps[static_cast<size_t>(axis)] =
            grid_taps(point[static_cast<size_t>(axes - 1 - axis)], x.shape()[2 + axis], sampling);
      for (int64_t c = 0; c < channels; ++c) {
        const auto value = static_cast<float>(weighted_sum(x.view(), n * channels + c, taps, 2));
        store_floats({&value, 1}, outputs[0], (n * channels + c) * places + place);
      }
    }
}

}  // namespace

const OpSchema& grid_sample_schema() {
  static const OpSchema schema = {.name = "GridSample",
                                  .domain = "",
                                  .inputs = {{"X"}, {"grid"}},
                                  .outputs = {"Y"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

}  // namespace halftone
