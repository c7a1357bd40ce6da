#include "formats/onnx/einsum.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "base/error.h"

namespace halftone {
namespace {

/// Letters are themselves; the axes of an ellipsis count down to kFirstEllipsis from the last one.
using Labels = std::vector<int>;
constexpr int kFirstEllipsis = 1000;

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

struct Equation {
  std::vector<std::string> operands;
  std::optional<std::string> output;
};

Equation parse(const ImportedNode& node) {
  std::string text = node.attributes.get_string("equation", "");
  std::erase(text, ' ');
  Equation equation;
  if (const size_t arrow = text.find("->"); arrow != std::string::npos) {
    equation.output = text.substr(arrow + 2);
    text.resize(arrow);
  }
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    equation.operands.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return equation;
}

class Speller {
 public:
  Speller(ImportedNode& node, NodeAppender& graph) : node_(node), graph_(graph) {}

  void run() {
    const Equation equation = parse(node_);
    if (equation.operands.size() != node_.inputs.size())
      fail("{} operands in the equation, {} inputs", equation.operands.size(), node_.inputs.size());
    for (size_t i = 0; i < node_.inputs.size(); ++i) {
      if (!node_.has_input(i)) fail("an operand is missing");
      operands_.push_back({node_.inputs[i], labels_of(equation.operands[i], rank(node_.inputs[i]))});
    }
    read_output(equation);
    Operand all = operands_[0];
    for (next_ = 1; next_ <= operands_.size(); ++next_) {
      drop_lone_labels(all, next_ < operands_.size() ? &operands_[next_].labels : nullptr, next_ + 1);
      if (next_ == operands_.size()) break;
      Operand other = operands_[next_];
      drop_lone_labels(other, &all.labels, next_ + 1);
      all = product(all, other);
    }
    finish(all);
  }

 private:
  struct Operand {
    ValueId value;
    Labels labels;
  };

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) const {
    throw InputError("node \"{}\": equation \"{}\": {}", node_.name,
                     node_.attributes.get_string("equation", ""),
                     fmt::format(text, std::forward<Args>(args)...));
  }
  int rank(ValueId value) const { return graph_.type(value).shape.rank(); }

  Labels labels_of(const std::string& text, int of_rank) {
    const size_t dots = text.find("...");
    const int letters = static_cast<int>(text.size()) - (dots == std::string::npos ? 0 : 3);
    const int hidden = dots == std::string::npos ? 0 : of_rank - letters;
    if (letters + hidden != of_rank || hidden < 0)
      fail("\"{}\" for an operand of {} dimensions", text, of_rank);
    Labels labels;
    for (size_t i = 0; i < text.size(); ++i) {
      if (i == dots) {
        for (int axis = hidden; axis-- > 0;) labels.push_back(kFirstEllipsis + axis);
        ellipsis_ = std::max(ellipsis_, hidden);
        i += 2;
        continue;
      }
      if (!std::isalpha(static_cast<unsigned char>(text[i]))) fail("'{}' is no label", text[i]);
      if (contains(labels, text[i]))
        throw UnsupportedError("node \"{}\": Einsum of a diagonal (\"{}\") is not handled", node_.name, text);
      labels.push_back(text[i]);
    }
    return labels;
  }

  void read_output(const Equation& equation) {
    if (equation.output) {
      const auto dots = equation.output->find("...");
      const int letters = static_cast<int>(equation.output->size()) - (dots == std::string::npos ? 0 : 3);
      output_ = labels_of(*equation.output, letters + (dots == std::string::npos ? 0 : ellipsis_));
      for (int label : output_)
        if (std::ranges::none_of(operands_, [&](const Operand& o) { return contains(o.labels, label); }))
          fail("the output has a label that no operand has");
      return;
    }
    for (int axis = ellipsis_; axis-- > 0;) output_.push_back(kFirstEllipsis + axis);
    for (int letter = 'A'; letter <= 'z'; ++letter)
      if (std::ranges::count_if(operands_, [&](const Operand& o) { return contains(o.labels, letter); }) == 1)
        output_.push_back(letter);
  }

  /// Whether the output or an operand from `from` on has the label.
  bool is_needed(int label, size_t from) const {
    if (contains(output_, label)) return true;
    for (size_t i = from; i < operands_.size(); ++i)
      if (contains(operands_[i].labels, label)) return true;
    return false;
  }

  ValueId ints(std::string_view what, const std::vector<int64_t>& values) {
    return graph_.constant(node_, what, Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }

  /// Sums over what neither `partner`, the output nor the operands from `from` on have.
  void drop_lone_labels(Operand& operand, const Labels* partner, size_t from) {
    std::vector<int64_t> axes;
    Labels kept;
    for (size_t axis = 0; axis < operand.labels.size(); ++axis) {
      const int label = operand.labels[axis];
      if ((partner && contains(*partner, label)) || is_needed(label, from))
        kept.push_back(label);
      else
        axes.push_back(static_cast<int64_t>(axis));
    }
    if (axes.empty()) return;
    operand.value = graph_.append_before(node_, "ReduceSum", {operand.value, ints("axes", axes)},
                                         {{"keepdims", int64_t{0}}});
    operand.labels = kept;
  }

  ValueId in_order(const Operand& operand, const Labels& order) {
    std::vector<int64_t> perm;
    for (int label : order)
      perm.push_back(std::find(operand.labels.begin(), operand.labels.end(), label) - operand.labels.begin());
    if (std::is_sorted(perm.begin(), perm.end())) return operand.value;
    return graph_.append_before(node_, "Transpose", {operand.value}, {{"perm", perm}});
  }

  /// The last `count` axes as one.
  ValueId with_last_merged(ValueId value, size_t count) {
    if (count < 2) return value;
    std::vector<int64_t> target(static_cast<size_t>(rank(value)) - count, 0);
    target.push_back(-1);
    return graph_.append_before(node_, "Reshape", {value, ints("merged", target)});
  }

  ValueId with_ones(ValueId value, const std::vector<int64_t>& axes) {
    if (axes.empty()) return value;
    return graph_.append_before(node_, "Unsqueeze", {value, ints("ones", axes)});
  }

  /// Both as matrices [shared, first's own, second's own | rows, summed] and [... | summed, columns]: of each
  /// operand's own axes the last is that of the matrix, and the others lie before it, 1 in the other operand.
  Operand product(const Operand& a, const Operand& b) {
    Labels shared, summed, a_own, b_own;
    for (int label : a.labels)
      (!contains(b.labels, label) ? a_own : is_needed(label, next_ + 1) ? shared : summed).push_back(label);
    for (int label : b.labels)
      if (!contains(a.labels, label)) b_own.push_back(label);

    const auto joined = [](std::initializer_list<const Labels*> parts) {
      Labels all;
      for (const Labels* part : parts) all.insert(all.end(), part->begin(), part->end());
      return all;
    };
    const auto ones = [](size_t first, size_t count, std::initializer_list<std::pair<size_t, bool>> more) {
      std::vector<int64_t> axes(count);
      std::iota(axes.begin(), axes.end(), static_cast<int64_t>(first));
      for (const auto& [axis, wanted] : more)
        if (wanted) axes.push_back(static_cast<int64_t>(axis));
      return axes;
    };
    const size_t a_outer = a_own.empty() ? 0 : a_own.size() - 1,
                 b_outer = b_own.empty() ? 0 : b_own.size() - 1;
    const size_t outer = shared.size() + a_outer + b_outer;
    const bool sums = !summed.empty();
    // [shared, a_own but its last, 1..., rows, summed]
    ValueId left = with_last_merged(in_order(a, joined({&shared, &a_own, &summed})), summed.size());
    left =
        with_ones(left, ones(shared.size() + a_outer, b_outer, {{outer, a_own.empty()}, {outer + 1, !sums}}));
    // [shared, 1..., b_own but its last, columns, summed], its last two turned
    ValueId right = with_last_merged(in_order(b, joined({&shared, &b_own, &summed})), summed.size());
    right = with_ones(right, ones(shared.size(), a_outer, {{outer, b_own.empty()}, {outer + 1, !sums}}));
    std::vector<int64_t> turned(outer + 2);
    std::iota(turned.begin(), turned.end(), 0);
    std::swap(turned[outer], turned[outer + 1]);
    right = graph_.append_before(node_, "Transpose", {right}, {{"perm", turned}});

    Operand made{graph_.append_before(node_, sums ? "MatMul" : "Mul", {left, right}), shared};
    made.labels.insert(made.labels.end(), a_own.begin(), a_own.begin() + static_cast<int64_t>(a_outer));
    made.labels.insert(made.labels.end(), b_own.begin(), b_own.begin() + static_cast<int64_t>(b_outer));
    std::vector<int64_t> left_over;
    if (a_own.empty())
      left_over.push_back(static_cast<int64_t>(outer));
    else
      made.labels.push_back(a_own.back());
    if (b_own.empty())
      left_over.push_back(static_cast<int64_t>(outer) + 1);
    else
      made.labels.push_back(b_own.back());
    if (!left_over.empty())
      made.value = graph_.append_before(node_, "Squeeze", {made.value, ints("left", left_over)});
    return made;
  }

  void finish(const Operand& all) {
    std::vector<int64_t> perm;
    for (int label : output_)
      perm.push_back(std::find(all.labels.begin(), all.labels.end(), label) - all.labels.begin());
    const bool turns = !std::is_sorted(perm.begin(), perm.end());
    node_.op = turns ? "Transpose" : "Identity";
    node_.inputs = {all.value};
    node_.attributes = turns ? Attributes{{"perm", perm}} : Attributes{};
  }

  ImportedNode& node_;
  NodeAppender& graph_;
  std::vector<Operand> operands_;
  Labels output_;
  int ellipsis_ = 0;
  size_t next_ = 1;  ///< the operand to be multiplied next
};

}  // namespace

void spell_out_einsum(ImportedNode& node, NodeAppender& graph) {
  Speller(node, graph).run();
}

}  // namespace halftone
