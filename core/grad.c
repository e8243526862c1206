/* grad.c - the reverse walk: gradients written as compositions of ops.
 *
 * Invariants:
 * 1. Only tensors on a path from y to a target are visited: whoever asks for G's gradients pays
 *    nothing for D's weights.
 * 2. Nothing recurses: a graph may be a million nodes long.
 * 3. All working memory is the pool's, so a failing gradient leaks nothing. A step's temporaries go
 *    back as soon as the step is done; a gradient goes back once it was passed on.
 * 4. Broadcasting is undone here, once, for all ops.
 * 5. Over ranks, a target's gradient is on its way to them as soon as the walk has passed it, when nothing can be added
 *    to it any more; the graphs of all ranks are alike, and so is the order. */
#include <string.h>

#include "op.h"

/* A list of tensors in scratch memory. */
struct list {
    gan_tensor **items;
    size_t count, capacity;
};

static void append(gan_context *ctx, struct list *list, gan_tensor *t)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        gan_tensor **items = gan_scratch(ctx, capacity * sizeof *items);
        if (list->count)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = t;
}

/* Settles whether a path leads from t to a target, all its inputs being settled. */
static void settle(gan_context *ctx, gan_tensor *t, struct list *order)
{
    bool needed = t->aimed == ctx->walk;
    for (int i = 0; t->node && !needed && i < t->node->count; i++)
        needed = gan_input(t, i)->place >= 0;
    t->place = needed ? (int64_t)order->count : -1;
    if (needed)
        append(ctx, order, t);
}

/* Lists what lies between y and the targets, inputs before results. While a tensor is open (on the
 * stack), its place counts the inputs that were looked at. */
static struct list order_from(gan_context *ctx, gan_tensor *y)
{
    struct list order = {0}, open = {0};
    append(ctx, &open, y);
    y->seen = ctx->walk;
    y->place = 0;
    while (open.count) {
        gan_tensor *t = open.items[open.count - 1];
        if (t->consumed && t->aimed != ctx->walk)
            gan_fail(ctx, GAN_ERROR_ARGUMENT,
                     "grad: the graph of a tensor of shape %s was already consumed by an earlier grad",
                     GAN_TEXT(t->shape));
        if (t->node && t->place < t->node->count) {
            gan_tensor *input = gan_input(t, (int)t->place++);
            if (input->seen != ctx->walk) {
                input->seen = ctx->walk;
                input->place = 0;
                append(ctx, &open, input);
            }
        } else {
            open.count--;
            settle(ctx, t, &order);
        }
    }
    return order;
}

/* Fails when numbers that the gradient of t reads were changed after they were saved. */
static void check_versions(gan_context *ctx, gan_tensor *t)
{
    const gan_node *node = t->node;
    for (int i = 0; i < node->count; i++)
        if (gan_reads_input(node->op, i) && node->inputs[i].version != node->inputs[i].tensor->storage->version)
            gan_fail(ctx, GAN_ERROR_ARGUMENT,
                     "grad: input %d of %s, a tensor of shape %s, was changed in place after it was used", i + 1,
                     node->op->name, GAN_TEXT(node->inputs[i].tensor->shape));
    if ((node->op->saves & GAN_SAVES_OUTPUT) && t->version != t->storage->version)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "grad: the result of %s, a tensor of shape %s, was changed in place",
                 node->op->name, GAN_TEXT(t->shape));
}

/* Gradients so far, by place in the order; pooled says where in the pool each one is held. */
struct gradients {
    gan_tensor **of;
    size_t *pooled;
};

static void set_gradient(gan_context *ctx, struct gradients *g, int64_t place, gan_tensor *gradient, size_t pooled)
{
    if (g->of[place])
        gan_pool_drop(ctx, g->pooled[place]);
    g->of[place] = gradient;
    g->pooled[place] = pooled;
}

/* Passes t's gradient on to its inputs. */
static void pass_on(gan_context *ctx, gan_tensor *t, struct gradients *g)
{
    int count = t->node->count;
    size_t before = gan_pool_mark(ctx);
    gan_tensor **dx = gan_scratch(ctx, (size_t)count * (2 * sizeof *dx + sizeof(int64_t) + sizeof(bool)));
    gan_tensor **kept = dx + count;
    int64_t *places = (int64_t *)(kept + count);
    bool *needed = (bool *)(places + count);
    memset(dx, 0, (size_t)count * sizeof *dx);
    for (int i = 0; i < count; i++)
        needed[i] = gan_input(t, i)->place >= 0;

    /* Scratch stays below `mark`, what the gradient makes lies above it. */
    size_t mark = gan_pool_mark(ctx);
    t->node->op->grad(t, g->of[t->place], needed, dx);
    int made = 0;
    for (int i = 0; i < count; i++) {
        if (!needed[i] || !dx[i])
            continue;
        gan_tensor *input = gan_input(t, i), *gradient = dx[i];
        if (!gan_same_shape(gradient->shape, input->shape))
            gradient = gan_sum_to(gradient, input->shape);
        /* An input that stands in two places gets the sum; so does one that other results use. */
        int same = 0;
        while (same < made && places[same] != input->place)
            same++;
        if (same < made)
            gradient = gan_add(kept[same], gradient);
        else if (g->of[input->place])
            gradient = gan_add(g->of[input->place], gradient);
        kept[same] = gradient;
        places[same] = input->place;
        made += same == made;
    }
    gan_pool_keep(ctx, mark, made, kept);
    for (int i = 0; i < made; i++)
        set_gradient(ctx, g, places[i], kept[i], mark + (size_t)i);
    gan_pool_drop(ctx, before); /* the scratch */
}

static void check_grad_output(gan_tensor *y, gan_tensor *weights)
{
    if (!weights && y->numel != 1)
        gan_fail(y->ctx, GAN_ERROR_ARGUMENT, "grad: y has shape %s; wanted one number, or grad_output of y's shape",
                 GAN_TEXT(y->shape));
    if (weights)
        gan_check_contexts("grad", y, weights);
    if (weights && !gan_same_shape(weights->shape, y->shape))
        gan_fail(y->ctx, GAN_ERROR_ARGUMENT, "grad: grad_output has shape %s, y has shape %s", GAN_TEXT(weights->shape),
                 GAN_TEXT(y->shape));
}

static void check_targets(gan_context *ctx, int count, gan_tensor *const targets[], bool unused_zero)
{
    for (int i = 0; i < count; i++)
        if ((targets[i]->seen != ctx->walk || targets[i]->place < 0) && !unused_zero)
            gan_fail(ctx, GAN_ERROR_ARGUMENT,
                     "grad: y does not depend on target %d (shape %s); was it detached, or made under no_grad? "
                     "(unused = \"zero\" gives zeros)",
                     i + 1, GAN_TEXT(targets[i]->shape));
}

/* Hands a gradient that is complete to the ranks' sum, and remembers that. */
static void send(gan_context *ctx, struct list *sent, gan_tensor *target, const gan_tensor *gradient)
{
    if (!ctx->ranks.add(ctx->ranks.user, gradient->data, gradient->numel))
        gan_fail_ranks(ctx);
    append(ctx, sent, target);
}

/* Waits for the sums of what was sent, which take the place of this rank's own gradients. */
static void receive(gan_context *ctx, const struct list *sent, struct gradients *g)
{
    if (!ctx->ranks.sum(ctx->ranks.user))
        gan_fail_ranks(ctx);
    for (size_t i = 0; i < sent->count; i++) {
        gan_tensor *sum = gan_new(ctx, sent->items[i]->shape);
        ctx->ranks.take(ctx->ranks.user, sum->data, sum->numel);
        set_gradient(ctx, g, sent->items[i]->place, sum, gan_pool_mark(ctx) - 1);
    }
}

/* The walk proper: on return the gradients of the targets are in g; those that are to be summed, in `sent`. */
static void walk(gan_context *ctx, struct list order, struct gradients *g, bool consume, struct list *sent)
{
    size_t held = gan_pool_mark(ctx);
    for (size_t i = 0; consume && i < order.count; i++)
        gan_pool_add(order.items[i]); /* results will let go of their inputs before those are visited */
    for (int64_t place = (int64_t)order.count - 1; place >= 0; place--) {
        gan_tensor *t = order.items[place];
        if (t->node && g->of[place]) {
            check_versions(ctx, t);
            double since = gan_profile_clock(ctx);
            pass_on(ctx, t, g);
            gan_profile_add(ctx, t->node, since);
        }
        if (g->of[place] && t->aimed != ctx->walk)
            set_gradient(ctx, g, place, NULL, 0);
        else if (g->of[place] && sent)
            send(ctx, sent, t, g->of[place]);
        if (consume) {
            if (t->node)
                gan_drop_node(t);
            gan_pool_drop(ctx, held + (size_t)place);
        }
    }
}

void gan_grad(gan_tensor *y, int count, gan_tensor *const targets[], gan_tensor *gradients[],
              const gan_grad_options *options)
{
    gan_context *ctx = y->ctx;
    gan_grad_options o = options ? *options : (gan_grad_options){0};
    check_grad_output(y, o.grad_output);
    if (o.over_ranks && o.create_graph)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "grad: sums over ranks have no graph; all_sum has");
    size_t before = gan_pool_mark(ctx);
    ctx->walk++;
    for (int i = 0; i < count; i++) {
        gan_check_contexts("grad", y, targets[i]);
        targets[i]->aimed = ctx->walk;
    }
    struct list order = order_from(ctx, y);
    check_targets(ctx, count, targets, o.unused_zero);

    ctx->recording_outside = ctx->recording;
    ctx->walking = true;
    ctx->recording = o.create_graph;
    struct gradients g = {gan_scratch(ctx, (order.count + 1) * sizeof *g.of),
                          gan_scratch(ctx, (order.count + 1) * sizeof *g.pooled)};
    memset(g.of, 0, (order.count + 1) * sizeof *g.of);
    if (y->place >= 0) {
        gan_tensor *seed = o.grad_output;
        if (seed)
            gan_pool_add(seed);
        else
            seed = gan_full(ctx, y->shape, 1);
        set_gradient(ctx, &g, y->place, seed, gan_pool_mark(ctx) - 1);
        struct list sent = {0};
        bool over_ranks = o.over_ranks && gan_is_shared(ctx);
        if (over_ranks) {
            ctx->exchanges++;
            ctx->ranks.reset(ctx->ranks.user);
        }
        walk(ctx, order, &g, o.consume, over_ranks ? &sent : NULL);
        if (over_ranks)
            receive(ctx, &sent, &g);
    }
    for (int i = 0; i < count; i++) {
        bool met = targets[i]->seen == ctx->walk && targets[i]->place >= 0 && g.of[targets[i]->place];
        gradients[i] = met ? g.of[targets[i]->place] : gan_zeros(ctx, targets[i]->shape);
        /* What a caller gets may be changed in place: it shares its numbers with nothing. */
        if (!o.create_graph && (gradients[i]->references > 1 || gradients[i]->storage->references > 1))
            gradients[i] = gan_copy(gradients[i]);
    }
    ctx->recording = ctx->recording_outside;
    ctx->walking = false;
    gan_pool_keep(ctx, before, count, gradients);
}
