#include "formats/onnx/import_onnx.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/suggest.h"
#include "formats/onnx/imported_node.h"
#include "formats/onnx/linear_operators.h"
#include "formats/onnx/node_order.h"
#include "formats/onnx/onnx_tensor.h"
#include "formats/onnx/upgrade.h"
#include "graph/passes/known_sizes.h"
#include "ops/elementwise.h"
#include "ops/onnx_type.h"

namespace halftone {
namespace {

constexpr int64_t kNewestOpset = 27;
/// How Paddle's exporter says that a dimension is open.
constexpr int64_t kOpenSize = -1;

/// Why an operator that Halftone has not is missing, where there is more to say than that.
std::string reason_for(std::string_view op) {
  const auto starts = [&](std::string_view with) { return op.substr(0, with.size()) == with; };
  if (op == "Loop" || op == "Scan") return ": graphs inside graphs are not imported";
  if (starts("Sequence") || op == "SplitToSequence" || op == "ConcatFromSequence")
    return ": values are tensors, not sequences";
  if (starts("Optional")) return ": values are tensors, always there";
  if (starts("String") || starts("Regex") || op == "TfIdfVectorizer") return ": there are no strings";
  if (starts("Random") || op == "Multinomial" || op == "Bernoulli")
    return ": inference draws no random numbers";
  if (op == "Gradient" || op == "Adam" || op == "Adagrad" || op == "Momentum")
    return ": it belongs to training";
  return "";
}

class Importer {
 public:
  Importer(const fs::path& path, const OnnxImportOptions& options)
      : file_(MappedFile::open(path)),
        source_(path.string()),
        options_(options),
        tensors_(file_),
        model_(parse_onnx({reinterpret_cast<const char*>(file_->bytes().data()), file_->bytes().size()},
                          source_)),
        appender_(graph_) {}

  Graph run() {
    for (const OnnxOpset& opset : model_.opsets)
      if ((opset.domain.empty() || opset.domain == "ai.onnx") &&
          (opset.version < 1 || opset.version > kNewestOpset))
        throw UnsupportedError("{}: operator set {}; 1 to {} are handled", source_, opset.version,
                               kNewestOpset);
    graph_.name = model_.graph.name.empty() ? file_->path().stem().string() : std::string(model_.graph.name);
    const std::vector<VersionedNode> nodes = inline_functions(model_, model_.graph, source_, made_names_);
    reserve_names(nodes);
    add_initializers(model_.graph);
    add_inputs();
    check_options();
    add_nodes(nodes);
    add_outputs();
    verify(graph_);
    return std::move(graph_);
  }

 private:
  /// `what` may name the file already.
  std::string in_file(const std::string& what) const {
    return what.compare(0, source_.size(), source_) == 0 ? what : source_ + ": " + what;
  }
  [[noreturn]] void fail(const std::string& what) const { throw InputError("{}", in_file(what)); }

  /// Names in the file keep to themselves, whatever is made beside them.
  void reserve_names(const std::vector<VersionedNode>& nodes) {
    std::set<std::string_view> names;
    for (const OnnxTensor& tensor : model_.graph.initializers) names.insert(tensor.name);
    for (const OnnxValueInfo& input : model_.graph.inputs) names.insert(input.name);
    for (const VersionedNode& node : nodes)
      for (std::string_view output : node.node.outputs) names.insert(output);
    for (std::string_view name : names) appender_.unique_name(std::string(name));
  }

  void define(std::string_view name, ValueId value, const std::string& where) {
    if (name.empty()) fail(where + " has no name");
    if (!values_.emplace(name, value).second) fail(fmt::format("{} \"{}\": the name is taken", where, name));
    if (branch_names_) branch_names_->push_back(name);
  }

  /// What a value of the file is called in the graph: names of branches may be those of other branches.
  std::string graph_name(std::string_view name) {
    return branch_names_ ? appender_.unique_name(std::string(name)) : std::string(name);
  }

  void add_initializers(const OnnxGraph& graph) {
    for (const OnnxTensor& tensor : graph.initializers)
      define(tensor.name, graph_.add_constant(graph_name(tensor.name), tensors_.constant(tensor)), "tensor");
  }

  void add_nodes(const std::vector<VersionedNode>& nodes) {
    for (size_t n : node_order(nodes, source_)) add_node(nodes[n]);
  }

  /// Inputs that are initialisers too have a default that nobody replaces; they stay constants.
  void add_inputs() {
    std::set<std::string_view> seen;
    for (const OnnxValueInfo& input : model_.graph.inputs) {
      if (!seen.insert(input.name).second) fail(fmt::format("input \"{}\" is declared twice", input.name));
      if (values_.count(input.name) > 0) continue;
      const std::string name(input.name);
      const ValueType type = input_type(input);
      if (const auto given = options_.constants.find(name); given != options_.constants.end()) {
        used_constants_.insert(name);
        const Tensor tensor = as_declared(given->second, type);
        if (!agrees({tensor.dtype(), tensor.shape()}, type))
          throw UsageError("input \"{}\": expected {} {}, found {} {}", name, dtype_name(type.dtype),
                           type.shape.str(), dtype_name(tensor.dtype()), tensor.shape().str());
        define(input.name, graph_.add_constant(name, Constant(tensor)), "input");
      } else {
        define(input.name, graph_.add_input(name, type), "input");
      }
    }
  }

  /// A number (f64, without axes) as the input's only element, of its type; other tensors as they are.
  static Tensor as_declared(const Tensor& given, const ValueType& type) {
    if (given.dtype() != DType::f64 || given.shape().rank() > 0 || type.dtype == DType::f64) return given;
    Shape one;
    for (int axis = 0; axis < type.shape.rank(); ++axis) one.push_back(1);
    Tensor made = Tensor::allocate(type.dtype, one);
    visit_element(type.dtype, [&](auto zero) {
      using T = decltype(zero);
      made.mutable_view().span<T>()[0] = to_number<T>(given.span<double>()[0]);
    });
    return made;
  }

  ValueType input_type(const OnnxValueInfo& input) {
    const std::string where = fmt::format("{}: input \"{}\"", source_, input.name);
    if (!input.is_tensor) throw UnsupportedError("{}: only tensors are handled", where);
    const auto dtype = dtype_from_onnx(input.data_type);
    if (!dtype) throw UnsupportedError("{}: elements of {}", where, onnx_type_name(input.data_type));
    if (!input.shape) throw UnsupportedError("{}: it has no shape", where);
    Shape shape;
    for (size_t axis = 0; axis < input.shape->size(); ++axis) shape.push_back(dim(input, axis, where));
    if (shape.is_concrete() && !shape.checked_elements())
      throw InputError("{}: shape {} has too many elements", where, shape.str());
    return {*dtype, shape};
  }

  int64_t dim(const OnnxValueInfo& input, size_t axis, const std::string& where) {
    const OnnxDim& declared = (*input.shape)[axis];
    if (declared.size && *declared.size != kOpenSize) {
      if (*declared.size < 0) throw InputError("{}: a dimension of {}", where, *declared.size);
      return *declared.size;
    }
    const std::string name = declared.name.empty() || declared.name == "?"
                                 ? fmt::format("{}.{}", input.name, axis)
                                 : std::string(declared.name);
    if (const auto fixed = options_.sizes.find(name); fixed != options_.sizes.end()) {
      used_sizes_.insert(name);
      return fixed->second;
    }
    return graph_.symbol(name, 0, std::numeric_limits<int32_t>::max());
  }

  static bool agrees(const ValueType& found, const ValueType& declared) {
    if (found.dtype != declared.dtype || found.shape.rank() != declared.shape.rank()) return false;
    for (int axis = 0; axis < found.shape.rank(); ++axis)
      if (found.shape[axis] >= 0 && declared.shape[axis] >= 0 && found.shape[axis] != declared.shape[axis])
        return false;
    return true;
  }

  void add_node(const VersionedNode& versioned) {
    const OnnxNode& node = versioned.node;
    const std::string label = node_label(node);
    const bool plain_domain = node.domain.empty() || node.domain == "ai.onnx";
    if (plain_domain && versioned.opset == 0)
      fail(fmt::format("node \"{}\": the model names no operator set", label));
    if (plain_domain && node.op == "Constant") return add_constant(node, label);
    if (plain_domain && node.op == "If") return add_if(node, label);
    std::vector<ValueId> outputs;
    try {
      ImportedNode imported = read_node(node, versioned.opset);
      if (plain_domain) upgrade(imported, appender_);
      const bool spelled = node.domain == "com.microsoft" && spell_out_linear_operator(imported, appender_);
      if (!spelled) check_known(imported, node);
      outputs = appender_.append(std::move(imported));
    } catch (const InputError& error) {
      fail(error.what());
    } catch (const UnsupportedError& error) {
      throw UnsupportedError("{}", in_file(error.what()));
    }
    name_outputs(node, outputs);
  }

  /// Operators are looked up by name; one of another domain than its schema's is another operator.
  static void check_known(const ImportedNode& imported, const OnnxNode& node) {
    const OpSchema* schema = find_op(imported.op);
    const std::string_view domain = node.domain == "ai.onnx" ? "" : node.domain;
    if (schema && (schema->domain == domain || domain.empty())) return;
    const std::string shown =
        domain.empty() ? std::string(node.op) : fmt::format("{} of {}", node.op, domain);
    throw UnsupportedError("node \"{}\": operator {} is not handled{}", node_label(node), shown,
                           reason_for(node.op));
  }

  ImportedNode read_node(const OnnxNode& node, int64_t opset) {
    ImportedNode imported;
    imported.name = appender_.unique_name(node.name.empty() ? default_name(node) : std::string(node.name));
    imported.op = node.op;
    imported.opset = opset;
    for (std::string_view input : node.inputs) imported.inputs.push_back(find(input, node));
    while (!imported.inputs.empty() && imported.inputs.back() == kNoValue) imported.inputs.pop_back();
    imported.outputs = node.outputs.size();
    while (imported.outputs > 0 && node.outputs[imported.outputs - 1].empty()) --imported.outputs;
    for (const OnnxAttribute& attribute : node.attributes) read_attribute(attribute, imported);
    return imported;
  }

  static std::string default_name(const OnnxNode& node) {
    for (std::string_view output : node.outputs)
      if (!output.empty()) return fmt::format("{}.{}", output, node.op);
    return std::string(node.op);
  }

  ValueId find(std::string_view name, const OnnxNode& node) const {
    if (name.empty()) return kNoValue;
    const auto found = values_.find(name);
    if (found == values_.end())
      throw InputError("node \"{}\": reads \"{}\", which nothing makes", node_label(node), name);
    return found->second;
  }

  void read_attribute(const OnnxAttribute& attribute, ImportedNode& node) {
    const std::string name(attribute.name);
    if (name.empty()) throw InputError("node \"{}\": an attribute without a name", node.name);
    switch (attribute.type) {
      case OnnxAttribute::number:
        return node.attributes.set(name, attribute.f);
      case OnnxAttribute::integer:
        return node.attributes.set(name, attribute.i);
      case OnnxAttribute::string:
        return node.attributes.set(name, std::string(attribute.s));
      case OnnxAttribute::numbers:
        return node.attributes.set(name, attribute.floats);
      case OnnxAttribute::integers:
        return node.attributes.set(name, attribute.ints);
      case OnnxAttribute::tensor:
        node.tensor = tensors_.constant(attribute.t).load();
        return;
      case OnnxAttribute::strings:
        return node.attributes.set(name, fmt::format("{}", fmt::join(attribute.texts, ",")));
      default:  // other graphs and sparse tensors belong to operators that are refused by name
        return;
    }
  }

  void add_constant(const OnnxNode& node, const std::string& label) {
    if (node.outputs.size() != 1 || node.attributes.size() != 1)
      throw InputError("{}: node \"{}\": Constant: expected one attribute and one output, found {} and {}",
                       source_, label, node.attributes.size(), node.outputs.size());
    const OnnxAttribute& value = node.attributes[0];
    const auto length = [](const auto& list) { return Shape{static_cast<int64_t>(list.size())}; };
    Constant constant;
    if (value.name == "value" && value.type == OnnxAttribute::tensor)
      constant = tensors_.constant(value.t);
    else if (value.name == "value_float")
      constant = Constant(Tensor::from<float>({}, {value.f}));
    else if (value.name == "value_int")
      constant = Constant(Tensor::from<int64_t>({}, {value.i}));
    else if (value.name == "value_floats")
      constant = Constant(Tensor::from<float>(length(value.floats), value.floats));
    else if (value.name == "value_ints")
      constant = Constant(Tensor::from<int64_t>(length(value.ints), value.ints));
    else
      throw UnsupportedError("{}: node \"{}\": Constant with attribute {}", source_, label, value.name);
    define(node.outputs[0], graph_.add_constant(graph_name(node.outputs[0]), std::move(constant)),
           "constant");
  }

  /// The branch that a constant condition takes; where only the run will know, both, and Where between them.
  void add_if(const OnnxNode& node, const std::string& label) {
    const std::string where = fmt::format("node \"{}\": If", label);
    const auto branch = [&](std::string_view name) -> const OnnxGraph& {
      for (const OnnxAttribute& attribute : node.attributes)
        if (attribute.name == name && attribute.g) return *attribute.g;
      fail(fmt::format("{}: it has no {}", where, name));
    };
    const OnnxGraph &when_true = branch("then_branch"), &when_false = branch("else_branch");
    if (node.inputs.size() != 1)
      fail(fmt::format("{}: expected one input, found {}", where, node.inputs.size()));
    const ValueId condition = find(node.inputs[0], node);
    const ValueType type = appender_.type(condition);
    if (type.dtype != DType::boolean || (type.shape.is_concrete() && type.shape.checked_elements() != 1))
      fail(fmt::format("{}: expected a condition of one bool, found {} {}", where, dtype_name(type.dtype),
                       type.shape.str()));
    std::vector<ValueId> outputs;
    if (const auto& constant = graph_.value(condition).constant) {
      outputs =
          add_branch(constant->load().span<bool>()[0] ? when_true : when_false, node.outputs.size(), where);
    } else {
      const std::vector<ValueId> yes = add_branch(when_true, node.outputs.size(), where),
                                 no = add_branch(when_false, node.outputs.size(), where);
      for (size_t i = 0; i < yes.size(); ++i)
        outputs.push_back(choose(condition, yes[i], no[i], where, std::string(node.outputs[i])));
    }
    for (size_t i = 0; i < outputs.size(); ++i)
      if (!node.outputs[i].empty()) define(node.outputs[i], outputs[i], "value");
  }

  /// The nodes of a graph inside this one. Its names are its own, and gone when it ends.
  std::vector<ValueId> add_branch(const OnnxGraph& branch, size_t outputs, const std::string& where) {
    std::vector<std::string_view> names;
    const auto around = std::exchange(branch_names_, &names);
    add_initializers(branch);
    add_nodes(inline_functions(model_, branch, source_, made_names_));
    std::vector<ValueId> made;
    for (size_t i = 0; i < outputs && i < branch.outputs.size(); ++i) {
      const auto found = values_.find(branch.outputs[i].name);
      if (found == values_.end())
        fail(fmt::format("{}: nothing makes \"{}\" of its branch", where, branch.outputs[i].name));
      made.push_back(found->second);
    }
    if (made.size() != outputs)
      fail(fmt::format("{}: {} outputs of a branch that makes {}", where, outputs, branch.outputs.size()));
    for (std::string_view name : names) values_.erase(name);
    branch_names_ = around;
    return made;
  }

  ValueId choose(ValueId condition, ValueId yes, ValueId no, const std::string& where,
                 const std::string& name) {
    const ValueType &a = appender_.type(yes), &b = appender_.type(no);
    if (a != b || !known_sizes(graph_).are_alike(yes, no))
      throw UnsupportedError(
          "{}: {}: only the run decides between a branch that makes {} {} and one that makes {} {}; "
          "handled are branches that make values of one shape, and conditions of constants{}",
          source_, where, dtype_name(a.dtype), a.shape.str(), dtype_name(b.dtype), b.shape.str(),
          inputs_behind(condition));
    ImportedNode chosen;
    chosen.name = appender_.unique_name(name + ".If");
    if (appender_.type(condition).shape.rank() > 0)
      condition = appender_.append_before(
          chosen, "Reshape",
          {condition, appender_.constant(chosen, "shape", Tensor::from<int64_t>({0}, {}))});
    chosen.op = "Where";
    chosen.inputs = {condition, yes, no};
    const ValueId made = appender_.append(std::move(chosen)).front();
    graph_.value(made).name = graph_name(name);
    return made;
  }

  /// "; this one depends on input(s) ...": what may be given as a constant to settle it.
  std::string inputs_behind(ValueId value) const {
    std::set<ValueId> needed{value};
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node)
      if (std::any_of(node->outputs.begin(), node->outputs.end(),
                      [&](ValueId o) { return needed.count(o) > 0; }))
        needed.insert(node->inputs.begin(), node->inputs.end());
    std::vector<std::string> names;
    for (ValueId input : graph_.inputs())
      if (needed.count(input) > 0) names.push_back(fmt::format("\"{}\"", graph_.value(input).name));
    return names.empty() ? ""
                         : fmt::format("; this one depends on {}, whose sizes or value may be fixed",
                                       fmt::join(names, ", "));
  }

  void name_outputs(const OnnxNode& node, const std::vector<ValueId>& outputs) {
    for (size_t i = 0; i < outputs.size(); ++i) {
      Value& value = graph_.value(outputs[i]);
      const std::string_view name = i < node.outputs.size() ? node.outputs[i] : "";
      if (name.empty()) {
        value.name = appender_.unique_name(value.name + "." + std::to_string(i));
        continue;
      }
      value.name = graph_name(name);
      define(name, outputs[i], "value");
    }
  }

  void add_outputs() {
    std::set<std::string_view> seen;
    if (model_.graph.outputs.empty()) fail("the graph has no outputs");
    for (const OnnxValueInfo& output : model_.graph.outputs) {
      if (!seen.insert(output.name).second) fail(fmt::format("output \"{}\" is declared twice", output.name));
      const auto found = values_.find(output.name);
      if (found == values_.end()) fail(fmt::format("output \"{}\": nothing makes it", output.name));
      check_declared(output, graph_.value(found->second).type);
      graph_.add_output(found->second, std::string(output.name));
    }
  }

  /// What the file says of an output's type and sizes must not contradict the shape rules. Another number of
  /// axes is what exporters leave behind that cut a graph short: the nodes are believed.
  void check_declared(const OnnxValueInfo& output, const ValueType& found) const {
    const auto dtype = dtype_from_onnx(output.data_type);
    if (!output.is_tensor || !dtype) return;
    Shape declared = found.shape;
    if (output.shape && static_cast<int>(output.shape->size()) == found.shape.rank()) {
      declared = Shape();
      for (const OnnxDim& d : *output.shape) declared.push_back(d.size.value_or(Shape::kUnknownDim));
    }
    if (!agrees(found, {*dtype, declared}))
      fail(fmt::format("output \"{}\": declared as {} {}, but the graph makes {} {}", output.name,
                       dtype_name(*dtype), declared.str(), dtype_name(found.dtype), found.shape.str()));
  }

  void check_options() const {
    for (const auto& [name, size] : options_.sizes) {
      if (used_sizes_.count(name) > 0) continue;
      std::vector<std::string> names;
      for (const Symbol& symbol : graph_.symbols()) names.push_back(symbol.name);
      throw UsageError("{}: no dimension is named \"{}\"{}", source_, name, did_you_mean(name, names));
    }
    for (const auto& [name, tensor] : options_.constants) {
      if (used_constants_.count(name) > 0) continue;
      std::vector<std::string> names;
      for (ValueId input : graph_.inputs()) names.push_back(graph_.value(input).name);
      throw UsageError("{}: no input is named \"{}\"{}", source_, name, did_you_mean(name, names));
    }
  }

  std::shared_ptr<const MappedFile> file_;
  std::string source_;
  const OnnxImportOptions& options_;
  OnnxTensorReader tensors_;
  OnnxModel model_;
  std::deque<std::string> made_names_;
  Graph graph_;
  NodeAppender appender_;
  std::map<std::string_view, ValueId> values_;
  std::set<std::string> used_sizes_, used_constants_;
  std::vector<std::string_view>* branch_names_ = nullptr;  ///< defined so far in the branch that is added
};

}  // namespace

Graph import_onnx(const fs::path& path, const OnnxImportOptions& options) {
  return Importer(path, options).run();
}

}  // namespace halftone
