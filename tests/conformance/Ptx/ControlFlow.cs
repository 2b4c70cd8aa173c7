namespace Conformance.Ptx;

/// <summary>
/// The basic blocks of a kernel: where each begins, the block of each instruction, and the blocks that may follow; one past the last is
/// the end.
/// </summary>
internal sealed record FlowGraph(int[] Starts, int[] BlockOf, List<int>[] Successors)
{
    public int Count => Starts.Length;

    /// <summary>One past the last instruction of a block.</summary>
    public int End(int block) => block + 1 < Starts.Length ? Starts[block + 1] : BlockOf.Length;
}

/// <summary>Finds, for every branch, the immediate post-dominator of its block: the first place all its paths must pass.</summary>
internal static class ControlFlow
{
    /// <summary>Sets <see cref="Instruction.Reconverge"/> of every branch; one past the code where paths meet only by ending.</summary>
    public static void SetReconvergence(Instruction[] code, FlowGraph graph)
    {
        int exit = code.Length;
        int[] postDominator = PostDominators(graph.Successors, graph.Count);
        for (int i = 0; i < code.Length; i++)
        {
            if (code[i].Flow is not (Flow.Branch or Flow.BranchIndexed)) continue;
            int block = postDominator[graph.BlockOf[i]];
            code[i].Reconverge = block < 0 || block == graph.Count ? exit : graph.Starts[block];
        }
    }

    /// <summary>Divides code into blocks.</summary>
    public static FlowGraph Graph(Instruction[] code)
    {
        var leader = new bool[code.Length + 1];
        leader[0] = true;
        for (int i = 0; i < code.Length; i++)
        {
            if (!Leaves(code[i])) continue;
            leader[i + 1] = true;
            foreach (int target in Targets(code[i])) leader[target] = true;
        }
        int[] starts = [.. Enumerable.Range(0, code.Length).Where(i => leader[i])];
        var blockOf = new int[code.Length];
        for (int i = 0, block = -1; i < code.Length; i++) blockOf[i] = leader[i] ? ++block : block;
        int exit = starts.Length;
        var successors = new List<int>[starts.Length];
        for (int block = 0; block < starts.Length; block++)
        {
            int last = (block + 1 < starts.Length ? starts[block + 1] : code.Length) - 1;
            Instruction end = code[last];
            var next = new List<int>();
            foreach (int target in Targets(end)) next.Add(target == code.Length ? exit : blockOf[target]);
            bool fallsThrough = !Leaves(end) || end.Guard >= 0;
            if (fallsThrough) next.Add(block + 1 < starts.Length ? block + 1 : exit);
            if (end.Flow == Flow.Exit) next.Add(exit);
            successors[block] = next;
        }
        return new FlowGraph(starts, blockOf, successors);
    }

    private static bool Leaves(Instruction instruction) => instruction.Flow is Flow.Branch or Flow.BranchIndexed or Flow.Exit;

    private static IEnumerable<int> Targets(Instruction instruction) => instruction.Flow switch
    {
        Flow.Branch => [instruction.Target],
        Flow.BranchIndexed => instruction.Targets,
        _ => [],
    };

    /// <summary>
    /// Cooper, Harvey and Kennedy's iteration on the reversed graph; node <paramref name="count"/> is the exit, −1 means none (an endless
    /// loop).
    /// </summary>
    private static int[] PostDominators(List<int>[] successors, int count)
    {
        var predecessors = new List<int>[count + 1];
        for (int i = 0; i <= count; i++) predecessors[i] = [];
        for (int i = 0; i < count; i++)
            foreach (int next in successors[i]) predecessors[next].Add(i);
        var order = new int[count + 1];
        List<int> reached = PostOrder(predecessors, count);
        Array.Fill(order, -1);
        for (int i = 0; i < reached.Count; i++) order[reached[i]] = i;
        var dominator = new int[count + 1];
        Array.Fill(dominator, -1);
        dominator[count] = count;
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = reached.Count - 2; i >= 0; i--)
            {
                int block = reached[i], best = -1;
                foreach (int next in successors[block])
                {
                    if (dominator[next] < 0) continue;
                    best = best < 0 ? next : Meet(next, best);
                }
                if (best == dominator[block]) continue;
                dominator[block] = best;
                changed = true;
            }
        }
        return dominator;

        int Meet(int a, int b)
        {
            while (a != b)
            {
                while (order[a] < order[b]) a = dominator[a];
                while (order[b] < order[a]) b = dominator[b];
            }
            return a;
        }
    }

    private static List<int> PostOrder(List<int>[] edges, int root)
    {
        var result = new List<int>();
        var seen = new bool[edges.Length];
        var stack = new Stack<(int Node, int Edge)>();
        stack.Push((root, 0));
        seen[root] = true;
        while (stack.Count > 0)
        {
            (int node, int edge) = stack.Pop();
            if (edge == edges[node].Count)
            {
                result.Add(node);
                continue;
            }
            stack.Push((node, edge + 1));
            int next = edges[node][edge];
            if (seen[next]) continue;
            seen[next] = true;
            stack.Push((next, 0));
        }
        return result;
    }
}
