#include <cstring>

#include "forest_nodes_program.h"

namespace ns_forest {

namespace {

/// Gives the leaves of one tree codes so that most right turns change a single bit.
///
/// A node's rows carry one code until it splits them; one child keeps it and the other takes a free
/// one. Codes near many free codes go first, and bits flipped seldom so far, because the
/// flips run in rounds of one for each bit.
class Labels {
 public:
  explicit Labels(uint32_t bit_count) : bit_count_(bit_count), count_(1u << bit_count) {
    memset(free_neighbours_, int(bit_count), count_);
    take(0);
  }

  /// A free code for the rows that leave `label`.
  uint32_t take_near(uint32_t label) {
    uint32_t best = count_;
    int best_score = -1;
    for (uint32_t bit = 0; bit < bit_count_; bit++) {
      const uint32_t code = label ^ (1u << bit);
      if (taken_[code]) continue;
      const int score = int(free_neighbours_[code]) * kNeighbourWeight + 1024 - int(flips_[bit]);
      if (score > best_score) {
        best = code;
        best_score = score;
      }
    }
    if (best == count_) best = nearest(label);
    for (uint32_t bit = 0; bit < bit_count_; bit++) flips_[bit] += ((label ^ best) >> bit) & 1;
    take(best);
    return best;
  }

 private:
  static constexpr int kNeighbourWeight = 1;

  void take(uint32_t code) {
    taken_[code] = true;
    for (uint32_t bit = 0; bit < bit_count_; bit++) free_neighbours_[code ^ (1u << bit)]--;
  }

  uint32_t nearest(uint32_t label) const {
    uint32_t best = count_;
    int best_distance = 9;
    for (uint32_t code = 0; code < count_; code++) {
      const int distance = __builtin_popcount(code ^ label);
      if (taken_[code] || distance >= best_distance) continue;
      best = code;
      best_distance = distance;
    }
    return best;
  }

  uint32_t bit_count_;
  uint32_t count_;
  bool taken_[256] = {};
  uint8_t free_neighbours_[256];
  uint32_t flips_[8] = {};
};

/// One tree under compilation.
class TreeCompiler {
 public:
  TreeCompiler(const ns_forest_node *nodes, uint32_t node_count, Program &program)
      : nodes_(nodes), node_count_(node_count), program_(program) {}

  template <typename Offset>
  void compile(std::vector<Step<Offset>> &steps) {
    TreeProgram tree = {};
    tree.first_step = uint32_t(steps.size());
    tree.first_code = uint32_t(program_.codes.size());
    tree.leaf_count = uint16_t(node_count_ + 1);
    tree.bit_count = 5;
    while ((1u << tree.bit_count) < tree.leaf_count) tree.bit_count++;
    program_.codes.resize(program_.codes.size() + tree.leaf_count);
    order_by_size();
    tree.split_count = add_splits(steps);
    tree.round_count = add_flips(tree, steps);
    program_.trees.push_back(tree);
    if (tree.split_count > program_.split_limit) program_.split_limit = tree.split_count;
  }

 private:
  bool splits(uint32_t node) const { return nodes_[node].left >= 0 || nodes_[node].right >= 0; }

  uint32_t mask(uint32_t node) const {
    return program_.masks.find(nodes_[node].column, nodes_[node].threshold);
  }

  template <typename Offset>
  static Step<Offset> step(uint32_t mask, uint32_t reach) {
    constexpr uint32_t units = kMaskBytes / kUnit;
    return {Offset(mask * units), Offset(reach * units)};
  }

  // Nodes with the most leaves below them first, so parents before children.
  void order_by_size() {
    uint32_t breadth = 0;
    uint16_t queue[256];
    if (node_count_ > 0) queue[breadth++] = 0;
    for (uint32_t i = 0; i < breadth; i++) {
      for (const int32_t child : {nodes_[queue[i]].left, nodes_[queue[i]].right}) {
        if (child >= 0) queue[breadth++] = uint16_t(child);
      }
    }
    uint16_t sizes[256], starts[258] = {};
    for (uint32_t i = breadth; i-- > 0;) {
      const ns_forest_node &node = nodes_[queue[i]];
      sizes[queue[i]] = uint16_t((node.left < 0 ? 1 : sizes[node.left]) +
                                 (node.right < 0 ? 1 : sizes[node.right]));
      starts[257 - sizes[queue[i]]]++;
    }
    for (uint32_t i = 1; i < 258; i++) starts[i] = uint16_t(starts[i] + starts[i - 1]);
    for (uint32_t i = 0; i < breadth; i++) order_[starts[256 - sizes[queue[i]]]++] = queue[i];
  }

  // Also notes the reach of every node.
  template <typename Offset>
  uint16_t add_splits(std::vector<Step<Offset>> &steps) {
    uint16_t count = 0;
    reach_[0] = kAllRows;
    for (uint32_t i = 0; i < node_count_; i++) {
      const uint32_t node = order_[i];
      if (!splits(node)) continue;
      right_reach_[node] = uint16_t(kFirstReach + 2 * count++);
      if (nodes_[node].right >= 0) reach_[nodes_[node].right] = right_reach_[node];
      if (nodes_[node].left >= 0) reach_[nodes_[node].left] = uint16_t(right_reach_[node] + 1);
      steps.push_back(step<Offset>(mask(node), reach_[node]));
    }
    return count;
  }

  // Chooses the codes; answers the number of rounds.
  template <typename Offset>
  uint16_t add_flips(const TreeProgram &tree, std::vector<Step<Offset>> &steps) {
    Labels labels(tree.bit_count);
    uint8_t *codes = &program_.codes[tree.first_code];
    std::vector<Step<Offset>> flips[8];
    label_[0] = 0;
    codes[0] = 0;
    for (uint32_t i = 0; i < node_count_; i++) {
      const uint32_t node = order_[i];
      const uint32_t kept = label_[node], taken = labels.take_near(kept);
      const int32_t left = nodes_[node].left, right = nodes_[node].right;
      (left >= 0 ? label_[left] : codes[~left]) = uint8_t(kept);
      (right >= 0 ? label_[right] : codes[~right]) = uint8_t(taken);
      const Step<Offset> flip = splits(node) ? step<Offset>(0, right_reach_[node])
                                             : step<Offset>(mask(node), reach_[node]);
      for (uint32_t bit = 0; bit < tree.bit_count; bit++) {
        if (((kept ^ taken) >> bit) & 1) flips[bit].push_back(flip);
      }
    }
    size_t round_count = 0;
    for (const auto &list : flips) round_count = list.size() > round_count ? list.size() : round_count;
    for (size_t round = 0; round < round_count; round++) {
      for (uint32_t bit = 0; bit < tree.bit_count; bit++) {
        steps.push_back(round < flips[bit].size() ? flips[bit][round] : step<Offset>(0, kNoRows));
      }
    }
    return uint16_t(round_count);
  }

  const ns_forest_node *nodes_;
  uint32_t node_count_;
  Program &program_;
  uint16_t order_[256];
  uint16_t reach_[256];
  uint16_t right_reach_[256];
  uint8_t label_[256];
};

template <typename Offset>
void compile_trees(const ns_forest_node *nodes, const uint32_t *ends, uint32_t tree_count,
                   Program &program, std::vector<Step<Offset>> &steps) {
  steps.reserve(size_t(tree_count == 0 ? 0 : ends[tree_count - 1]) * 2);
  for (uint32_t tree = 0; tree < tree_count; tree++) {
    const uint32_t first = tree == 0 ? 0 : ends[tree - 1];
    TreeCompiler(nodes + first, ends[tree] - first, program).compile(steps);
  }
  steps.shrink_to_fit();
}

}  // namespace

void compile(const ns_forest_node *nodes, const uint32_t *ends, uint32_t tree_count,
             Program &program) {
  const uint32_t node_count = tree_count == 0 ? 0 : ends[tree_count - 1];
  for (uint32_t i = 0; i < node_count; i++) program.masks.add(nodes[i].column, nodes[i].threshold);
  program.masks.number();
  program.trees.reserve(tree_count);
  program.codes.reserve(size_t(node_count) + tree_count);
  if (program.is_near()) {
    compile_trees(nodes, ends, tree_count, program, program.near_steps);
  } else {
    compile_trees(nodes, ends, tree_count, program, program.far_steps);
  }
  program.masks.seal();
}

}  // namespace ns_forest
