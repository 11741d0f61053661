// Builds what shap_tables.h describes from the nodes of ns_shap.h, checking every index.
#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <stdexcept>

#include "shap_tables.h"

#pragma STDC FP_CONTRACT OFF

using namespace ns_shap_tables;

namespace {

// The cosine of an angle of 0 ... pi / 2 by its Taylor series: the C library's last bit may depend
// on the CPU.
double cosine(double angle) {
  double term = 1, sum = 1;
  for (int i = 1; i < 30; i += 2) {
    term *= -(angle * angle) / (i * (i + 1.0));
    sum += term;
  }
  return sum;
}

// Newton's method on the Legendre polynomial of degree `count`, which leads to a root from the
// usual estimate (Abramowitz and Stegun, 22.16.6); the weights are theirs too (25.4.29), all moved
// from -1 ... 1 to 0 ... 1.
void fill_points(uint32_t count, points &all) {
  all.count = count;
  for (uint32_t i = 0; i < (count + 1) / 2; i++) {
    double x = cosine(3.14159265358979323846 * (i + 0.75) / (count + 0.5));
    double slope = 1;
    for (int iteration = 0; iteration < 8; iteration++) {
      double value = x, previous = 1;
      for (uint32_t degree = 2; degree <= count; degree++) {
        const double next = ((2.0 * degree - 1) * x * value - (degree - 1.0) * previous) / degree;
        previous = value;
        value = next;
      }
      slope = count * (x * value - previous) / ((x - 1) * (x + 1));
      x -= value / slope;
    }
    const uint32_t mirror = count - 1 - i;
    all.t[i] = all.one_minus_t[mirror] = (1 - x) / 2;
    all.one_minus_t[i] = all.t[mirror] = (1 + x) / 2;
    all.weight[i] = all.weight[mirror] = 1 / ((1 - x) * (1 + x) * slope * slope);
  }
}

// A split under way in the walk that builds a tree.
struct frame {
  uint32_t split;  // within the tree
  uint32_t near_node, far_node;
  uint32_t latest_before;        // what `latest` held of the split's feature
  uint32_t distinct;             // features of this split and those above
  double near_share, far_share;  // of the tree's cover that comes to each child
  uint8_t side;                  // of this split in its parent
  bool has_turned;
};

// What building needs besides the result, kept from tree to tree.
struct workspace {
  std::vector<uint32_t> latest;  // by feature: 2 * (split + 1) + (by its near child), or 0
  std::vector<uint32_t> slots;   // by feature: slot + 1, or 0
  std::vector<uint8_t> seen;     // by node
  std::vector<frame> frames;
};

class builder {
 public:
  builder(ns_shap &shap, workspace &room, const ns_shap_node *nodes, uint32_t node_count,
          tree &target, ns_shap_failure &failure)
      : shap(shap), room(room), nodes(nodes), node_count(node_count), target(target),
        failure(failure) {}

  // Adds the tree's splits, steps and slots to the ensemble, and its mean to `expected`.
  bool build(double &expected);

 private:
  ns_shap &shap;
  workspace &room;
  const ns_shap_node *nodes;
  const uint32_t node_count;
  tree &target;
  ns_shap_failure &failure;

  bool fail(ns_shap_status status, uint32_t node) {
    failure.status = status;
    failure.node = node;
    return false;
  }

  bool check(uint32_t index);
  uint32_t slot(uint32_t feature);
  void add_step(kind what, uint32_t depth, uint8_t side, uint32_t index);
  split ordered(const ns_shap_node &node) const;
  void relate_to_older(split &made) const;
  bool enter(uint32_t index, double share);
  void leave();
};

// Checks a node, and marks its children as seen.
bool builder::check(uint32_t index) {
  const ns_shap_node &node = nodes[index];
  if (!(node.cover >= 0) || std::isinf(node.cover)) return fail(ns_shap_bad_cover, index);
  if (node.left == 0 && node.right == 0) return true;
  for (const uint32_t child : {node.left, node.right}) {
    if (child == 0 || child >= node_count || room.seen[child]) {
      return fail(ns_shap_bad_index, index);
    }
    room.seen[child] = 1;
  }
  if (node.column >= shap.shape.column_count || node.feature >= shap.shape.feature_count ||
      node.rank > 255) {
    return fail(ns_shap_bad_index, index);
  }
  const double sum = nodes[node.left].cover + nodes[node.right].cover;
  if (!(sum > 0) || !(std::fabs(sum - node.cover) <= node.cover * 1e-3)) {
    return fail(ns_shap_bad_cover, index);
  }
  return true;
}

uint32_t builder::slot(uint32_t feature) {
  if (room.slots[feature] == 0) {
    shap.slots.push_back(feature);
    room.slots[feature] = ++target.slot_count;
  }
  return room.slots[feature] - 1;
}

void builder::add_step(kind what, uint32_t depth, uint8_t side, uint32_t index) {
  const split &made = shap.splits[target.first_split + index];
  shap.steps.push_back(
      {what, made.again, side, static_cast<uint16_t>(depth), index, slot(made.feature)});
  target.step_count++;
}

// The split at a node, but for what depends on the splits above.
split builder::ordered(const ns_shap_node &node) const {
  split made = {};
  made.near_is_right = nodes[node.left].left == 0 && nodes[node.right].left != 0;
  const ns_shap_node &near = nodes[made.near_is_right ? node.right : node.left];
  const ns_shap_node &far = nodes[made.near_is_right ? node.left : node.right];
  made.ratio = near.cover / (near.cover + far.cover);
  made.far_ratio = far.cover / (near.cover + far.cover);
  made.near_value = near.value;
  made.far_value = far.value;
  made.column = node.column;
  made.feature = node.feature;
  made.rank = static_cast<uint8_t>(node.rank);
  made.near_is_leaf = near.left == 0;
  made.far_is_leaf = far.left == 0;
  return made;
}

void builder::relate_to_older(split &made) const {
  const uint32_t mark = room.latest[made.feature];
  made.again = mark != 0;
  made.older_part = 1;
  if (made.again) {
    made.older = mark / 2 - 1;
    made.older_is_near = mark % 2 != 0;
    const split &older = shap.splits[target.first_split + made.older];
    made.older_part = older.older_part * (made.older_is_near ? older.ratio : older.far_ratio);
  }
  made.part = made.older_part * made.ratio;
}

// Opens the split at a node.
bool builder::enter(uint32_t index, double share) {
  const ns_shap_node &node = nodes[index];
  split made = ordered(node);
  relate_to_older(made);
  const auto depth = static_cast<uint32_t>(room.frames.size());
  const uint32_t distinct = (depth == 0 ? 0 : room.frames.back().distinct) + !made.again;
  if (depth >= NS_SHAP_DEPTH_LIMIT || distinct > NS_SHAP_FEATURE_LIMIT) {
    return fail(ns_shap_too_deep, index);
  }
  target.depth = std::max(target.depth, depth + 1);
  target.point_count = std::max(target.point_count, std::min(kPointLimit, (distinct + 1) / 2));

  const uint32_t at = target.split_count++;
  const uint8_t side = depth != 0 && room.frames.back().has_turned;
  shap.splits.push_back(made);
  add_step(made.near_is_leaf ? kTwig : kDescend, depth, side, at);
  const uint32_t near = made.near_is_right ? node.right : node.left;
  const uint32_t far = made.near_is_right ? node.left : node.right;
  uint32_t &latest = room.latest[made.feature];
  room.frames.push_back({at, near, far, latest, distinct, share * made.ratio,
                         share * made.far_ratio, side, false});
  latest = 2 * (at + 1) + 1;
  return true;
}

// Closes the last split, both of whose children are done.
void builder::leave() {
  const frame done = room.frames.back();
  room.frames.pop_back();
  const split &made = shap.splits[target.first_split + done.split];
  room.latest[made.feature] = done.latest_before;
  if (made.near_is_leaf) return;
  add_step(made.far_is_leaf ? kJoinLeaf : kJoin, static_cast<uint32_t>(room.frames.size()),
           done.side, done.split);
}

bool builder::build(double &expected) {
  std::fill_n(room.seen.begin(), node_count, uint8_t{0});
  uint32_t index = 0, count = 0;
  double share = 1;
  room.seen[0] = 1;
  for (;;) {
    count++;
    if (!check(index)) return false;
    if (nodes[index].left != 0) {
      if (!enter(index, share)) return false;
      index = room.frames.back().near_node;
      share = room.frames.back().near_share;
      continue;
    }
    expected += share * nodes[index].value;
    while (!room.frames.empty() && room.frames.back().has_turned) leave();
    if (room.frames.empty()) break;
    frame &open = room.frames.back();
    const split &made = shap.splits[target.first_split + open.split];
    open.has_turned = true;
    room.latest[made.feature] = 2 * (open.split + 1);
    if (!made.far_is_leaf) {
      add_step(kTurn, static_cast<uint32_t>(room.frames.size()) - 1, open.side, open.split);
    }
    index = open.far_node;
    share = open.far_share;
  }
  for (uint32_t i = 0; i < target.slot_count; i++) {
    room.slots[shap.slots[target.first_slot + i]] = 0;
  }
  return count == node_count || fail(ns_shap_bad_index, 0);
}

// The place of the points of an order among those of the ensemble, which are made when missing.
uint32_t place_of_points(ns_shap &shap, uint32_t count) {
  for (uint32_t i = 0; i < shap.points.size(); i++) {
    if (shap.points[i].count == count) return i;
  }
  shap.points.emplace_back();
  fill_points(count, shap.points.back());
  return static_cast<uint32_t>(shap.points.size()) - 1;
}

// Whether a tree is where it may be; trees come one after the other, so that none share nodes.
bool check_tree(const ns_shap_tree &source, const ns_shap_shape &shape, uint32_t end_of_previous) {
  return source.node_count > 0 && source.first_node >= end_of_previous &&
         source.first_node <= shape.node_count &&
         source.node_count <= shape.node_count - source.first_node &&
         source.output < shape.output_count;
}

bool add_trees(ns_shap &shap, const ns_shap_node *nodes, const ns_shap_tree *trees,
               ns_shap_failure &failure) {
  workspace room;
  room.latest.resize(shap.shape.feature_count);
  room.slots.resize(shap.shape.feature_count);
  uint32_t end_of_previous = 0;
  for (uint32_t i = 0; i < shap.shape.tree_count; i++) {
    failure = {ns_shap_bad_index, i, 0};
    if (!check_tree(trees[i], shap.shape, end_of_previous)) return false;
    end_of_previous = trees[i].first_node + trees[i].node_count;
    if (room.seen.size() < trees[i].node_count) room.seen.resize(trees[i].node_count);
    tree target = {};
    target.first_split = static_cast<uint32_t>(shap.splits.size());
    target.first_step = static_cast<uint32_t>(shap.steps.size());
    target.first_slot = static_cast<uint32_t>(shap.slots.size());
    target.output = trees[i].output;
    builder made(shap, room, nodes + trees[i].first_node, trees[i].node_count, target, failure);
    if (!made.build(shap.expected[target.output])) return false;
    if (target.split_count == 0) continue;
    target.points = place_of_points(shap, target.point_count);
    shap.trees.push_back(target);
    shap.most.splits = std::max(shap.most.splits, target.split_count);
    shap.most.depth = std::max(shap.most.depth, target.depth);
    shap.most.slots = std::max(shap.most.slots, target.slot_count);
  }
  return true;
}

}  // namespace

ns_shap *ns_shap_create(
    const ns_shap_node *nodes, const ns_shap_tree *trees, ns_shap_shape shape,
    const double *biases, ns_shap_failure *failure) {
  *failure = {ns_shap_no_memory, 0, 0};
  try {
    auto shap = std::make_unique<ns_shap>();
    shap->shape = shape;
    shap->expected.assign(biases, biases + shape.output_count);
    shap->splits.reserve(shape.node_count / 2);
    shap->steps.reserve(shape.node_count / 2 * 3);
    shap->trees.reserve(shape.tree_count);
    if (!add_trees(*shap, nodes, trees, *failure)) return nullptr;
    shap->steps.shrink_to_fit();
    shap->slots.shrink_to_fit();
    *failure = {ns_shap_ok, 0, 0};
    return shap.release();
  } catch (const std::bad_alloc &) {
    *failure = {ns_shap_no_memory, 0, 0};
    return nullptr;
  } catch (const std::length_error &) {
    *failure = {ns_shap_no_memory, 0, 0};
    return nullptr;
  }
}

void ns_shap_free(ns_shap *shap) { delete shap; }

size_t ns_shap_byte_count(const ns_shap *shap) {
  return sizeof(ns_shap) + shap->splits.capacity() * sizeof(split) +
         shap->steps.capacity() * sizeof(step) + shap->trees.capacity() * sizeof(tree) +
         shap->slots.capacity() * sizeof(uint32_t) + shap->points.capacity() * sizeof(points) +
         shap->expected.capacity() * sizeof(double);
}
