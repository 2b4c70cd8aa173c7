using System.Numerics;

namespace Conformance.Ptx;

/// <summary>The registers of an instruction, by number.</summary>
/// <param name="Reads">Those whose values it needs.</param>
/// <param name="Writes">Those it writes.</param>
/// <param name="IsCertain">Whether it runs in every lane that comes there: it has no guard.</param>
internal readonly record struct RegisterUse(int[] Reads, int[] Writes, bool IsCertain);

/// <summary>
/// Gives the registers of a kernel their slots in the register file. PTX has a register for each value, thousands of them; those whose
/// values are never needed at the same time share a slot, so that the file stays in the cache. What is read before it is written is none
/// of these: it has a slot of its own from the kernel's start to its last use.
/// </summary>
internal sealed class RegisterSlots
{
    private readonly FlowGraph _graph;
    private readonly RegisterUse[] _uses;
    private readonly int[] _first, _last;

    /// <param name="graph">The kernel's blocks.</param>
    /// <param name="uses">What each instruction reads and writes.</param>
    /// <param name="registers">How many registers there are.</param>
    public RegisterSlots(FlowGraph graph, RegisterUse[] uses, int registers)
    {
        (_graph, _uses) = (graph, uses);
        _first = new int[registers];
        _last = new int[registers];
        Array.Fill(_first, int.MaxValue);
        Array.Fill(_last, -1);
        Of = new int[registers];
        Array.Fill(Of, -1);
        ulong[][] entered = Needed((registers + 63) / 64);
        Measure(entered);
        Assign();
        Unwritten = [.. Members(entered[0]).Select(register => Of[register])];
    }

    /// <summary>The slot of each register, −1 where it is not used.</summary>
    public int[] Of { get; }

    /// <summary>How many slots there are.</summary>
    public int Count { get; private set; }

    /// <summary>The slots of registers that may be read before they are written.</summary>
    public int[] Unwritten { get; }

    /// <summary>By block, the registers whose values are needed where it begins.</summary>
    private ulong[][] Needed(int words)
    {
        int blocks = _graph.Count;
        ulong[][] entered = [.. Enumerable.Range(0, blocks + 1).Select(_ => new ulong[words])];
        ulong[][] written = [.. Enumerable.Range(0, blocks).Select(_ => new ulong[words])];
        for (int block = 0; block < blocks; block++)
        {
            for (int i = _graph.Starts[block]; i < _graph.End(block); i++)
            {
                foreach (int register in _uses[i].Reads)
                    if (!Has(written[block], register)) Add(entered[block], register);
                if (!_uses[i].IsCertain) continue;
                foreach (int register in _uses[i].Writes) Add(written[block], register);
            }
        }

        for (bool changed = true; changed;)
        {
            changed = false;
            for (int block = blocks - 1; block >= 0; block--)
            {
                ulong[] own = entered[block], kept = written[block];
                foreach (int next in _graph.Successors[block])
                {
                    for (int w = 0; w < words; w++)
                    {
                        ulong more = own[w] | (entered[next][w] & ~kept[w]);
                        changed |= more != own[w];
                        own[w] = more;
                    }
                }
            }
        }

        return entered;
    }

    /// <summary>From which instruction to which each register is needed, in the order of the text.</summary>
    private void Measure(ulong[][] entered)
    {
        for (int block = 0; block < _graph.Count; block++)
        {
            int start = _graph.Starts[block], end = _graph.End(block);
            foreach (int register in Members(entered[block])) Extend(register, start);
            foreach (int next in _graph.Successors[block])
                foreach (int register in Members(entered[next])) Extend(register, end - 1);
            for (int i = start; i < end; i++)
            {
                foreach (int register in _uses[i].Reads) Extend(register, i);
                foreach (int register in _uses[i].Writes) Extend(register, i);
            }
        }
    }

    private void Extend(int register, int at)
    {
        _first[register] = Math.Min(_first[register], at);
        _last[register] = Math.Max(_last[register], at);
    }

    private void Assign()
    {
        var free = new Stack<int>();
        var taken = new PriorityQueue<int, int>();
        foreach (int register in Enumerable.Range(0, Of.Length).Where(r => _last[r] >= 0).OrderBy(r => _first[r]))
        {
            // What an instruction writes lies beside what it reads: it may write a lane before it reads the next.
            while (taken.TryPeek(out int ended, out int last) && last < _first[register])
            {
                taken.Dequeue();
                free.Push(ended);
            }

            Of[register] = free.TryPop(out int slot) ? slot : Count++;
            taken.Enqueue(Of[register], _last[register]);
        }
    }

    private static bool Has(ulong[] set, int register) => (set[register / 64] >> (register % 64) & 1) != 0;

    private static void Add(ulong[] set, int register) => set[register / 64] |= 1UL << (register % 64);

    private static IEnumerable<int> Members(ulong[] set)
    {
        for (int w = 0; w < set.Length; w++)
            for (ulong rest = set[w]; rest != 0; rest &= rest - 1) yield return 64 * w + BitOperations.TrailingZeroCount(rest);
    }
}
