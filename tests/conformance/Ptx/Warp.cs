using System.Numerics;

namespace Conformance.Ptx;

internal enum WarpStatus { Running, AtBarrier, Exited }

/// <summary>
/// Up to 32 threads in lock step. Divergent paths run one after the other and meet at the immediate post-dominator of the branch that
/// parted them; a stack holds the paths still to run.
/// </summary>
internal sealed partial class Warp
{
    private readonly Instruction[] _code;
    private readonly long[] _issued, _lanes;
    private Path[] _stack = new Path[16];
    private int _depth;

    /// <summary>A set of lanes, where they go on, and where they meet the path below.</summary>
    private struct Path
    {
        public int Pc, Meet;
        public uint Mask;
    }

    public Warp(Launch launch, BlockState block, int index)
    {
        Launch = launch;
        Block = block;
        Index = index;
        _code = launch.Kernel.Code;
        _issued = launch.Issued;
        _lanes = launch.LanesIssued;
        int threads = (int)Math.Min(32, launch.Block.Count - index * 32L);
        Existing = threads == 32 ? uint.MaxValue : (1u << threads) - 1;
        R = new ulong[launch.Kernel.RegisterSlots * 32];
        P = new uint[launch.Kernel.PredicateSlots];
        Clocks = new int[launch.WarpsPerBlock];
        _localStates = launch.Kernel.Local.States();
        _local = new byte[32 * _localStates.Length];
        _localState = new byte[32 * _localStates.Length];
        // Nothing writes to these, nor to what is special but for the block's position.
        foreach ((int slot, ulong value) in launch.Kernel.Constants) R.AsSpan(slot * 32, 32).Fill(value);
        foreach ((int slot, string name) in launch.Kernel.Specials) FillSpecial(slot, name);
        AsyncCopies = new AsyncCopies(this);
        Products = new WarpgroupProducts(this);
    }

    public Launch Launch { get; }
    public BlockState Block { get; }
    public int Index { get; }
    /// <summary>Registers: 32 lanes of 64 bits each, narrower values zero-extended.</summary>
    public ulong[] R { get; }
    /// <summary>Predicates: one bit a lane.</summary>
    public uint[] P { get; }
    /// <summary>The lanes the block has; fewer than 32 in the last warp of an odd block.</summary>
    public uint Existing { get; }
    /// <summary>The lanes that have not ended.</summary>
    public uint Live { get; private set; }
    public WarpStatus Status { get; set; }
    /// <summary>The instruction being run, or the barrier waited at.</summary>
    public int Pc { get; private set; }
    /// <summary>What this warp knows of each warp's progress (a vector clock): advanced by synchronisation only.</summary>
    public int[] Clocks { get; }
    public int Clock => Clocks[Index];
    public AsyncCopies AsyncCopies { get; }
    public WarpgroupProducts Products { get; }
    /// <summary>The addresses of the running instruction, by lane, for the access counters.</summary>
    public ulong[] Addresses { get; } = new ulong[32];

    /// <summary>Makes the warp ready for a block.</summary>
    public void Begin()
    {
        PtxKernel kernel = Launch.Kernel;
        // A register nothing has written reads as a NaN of either width.
        foreach (int slot in kernel.Unwritten) R.AsSpan(slot * 32, 32).Fill(0x7FF7_DEAD_7FF7_DEADUL);
        Array.Clear(P);
        P[0] = uint.MaxValue;
        foreach ((int slot, string name) in kernel.Specials)
            if (SpecialRegister.DependsOnBlock(name)) FillSpecial(slot, name);
        for (int lane = 0; lane < 32; lane++) _localStates.CopyTo(_localState, lane * _localStates.Length);
        Array.Clear(Clocks);
        Clocks[Index] = 1;
        AsyncCopies.Clear();
        Products.Clear();
        Live = Existing;
        Status = WarpStatus.Running;
        _depth = 1;
        _stack[0] = new Path { Pc = 0, Meet = -1, Mask = Existing };
    }

    private void FillSpecial(int slot, string name) => SpecialRegister.Fill(R.AsSpan(slot * 32, 32), name, Launch, Block.Position, Index);

    /// <summary>Orders what the lanes of this warp did before and do after.</summary>
    public void Synchronise() => Clocks[Index]++;

    /// <summary>Runs until a barrier, the end, or <paramref name="quantum"/> instructions; answers how many ran.</summary>
    public int Run(int quantum)
    {
        ref Path top = ref _stack[_depth - 1];
        int pc = top.Pc, count = 0;
        while (count < quantum)
        {
            if (pc == top.Meet)
            {
                top = ref _stack[--_depth - 1];
                pc = top.Pc;
                continue;
            }
            Instruction instruction = _code[pc];
            uint mask = top.Mask;
            if (instruction.Guard >= 0) mask &= instruction.GuardNegated ? ~P[instruction.Guard] : P[instruction.Guard];
            Pc = pc;
            count++;
            _issued[pc]++;
            _lanes[pc] += BitOperations.PopCount(mask);
            if (Products.AreUnderWay) Products.Check(instruction);
            if (instruction.Flow == Flow.Next)
            {
                if (mask != 0) instruction.Run(this, mask);
                pc++;
                continue;
            }
            top.Pc = pc;
            if (!Control(instruction, mask)) return count;
            top = ref _stack[_depth - 1];
            pc = top.Pc;
        }
        top.Pc = pc;
        return count;
    }

    /// <summary>A branch, an end or a barrier; false when the warp cannot go on at once.</summary>
    private bool Control(Instruction instruction, uint mask)
    {
        ref Path top = ref _stack[_depth - 1];
        switch (instruction.Flow)
        {
            case Flow.Branch:
                Branch(instruction, mask, top.Mask & ~mask);
                return true;
            case Flow.BranchIndexed:
                BranchIndexed(instruction, mask);
                return true;
            case Flow.Exit:
                top.Pc++;
                Products.End();
                return Exit(mask);
            case Flow.Poll:
                top.Pc++;
                int polls = Block.Barriers.FailedPolls;
                if (mask != 0) instruction.Run(this, mask);
                return Block.Barriers.FailedPolls <= polls;
            default:
                top.Pc++;
                if (mask == 0) return true;
                Status = WarpStatus.AtBarrier;
                Block.Arrive(this, instruction.Barrier!, mask);
                return Status == WarpStatus.Running;
        }
    }

    private void Branch(Instruction instruction, uint taken, uint stays)
    {
        ref Path top = ref _stack[_depth - 1];
        int next = top.Pc + 1;
        if (taken == 0) top.Pc = next;
        else if (stays == 0) top.Pc = instruction.Target;
        else
        {
            if (instruction.Uniform)
                throw Fault(FaultKind.DivergentWarp, BitOperations.TrailingZeroCount(stays),
                    "a branch marked .uni divides the active threads");
            Part(instruction.Reconverge);
            Push(next, instruction.Reconverge, stays);
            Push(instruction.Target, instruction.Reconverge, taken);
        }
    }

    private void BranchIndexed(Instruction instruction, uint mask)
    {
        if (mask == 0)
        {
            _stack[_depth - 1].Pc++;
            return;
        }
        Part(instruction.Reconverge);
        while (mask != 0)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            uint index = (uint)R[instruction.TargetIndex + lane];
            if (index >= instruction.Targets.Length)
                throw Fault(FaultKind.Trap, lane, $"the branch index {index} is beyond the {instruction.Targets.Length} targets");
            uint same = 0;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int other = BitOperations.TrailingZeroCount(rest);
                if ((uint)R[instruction.TargetIndex + other] == index) same |= 1u << other;
            }
            if (instruction.Uniform && same != mask)
                throw Fault(FaultKind.DivergentWarp, lane, "a branch marked .uni divides the active threads");
            Push(instruction.Targets[index], instruction.Reconverge, same);
            mask &= ~same;
        }
    }

    /// <summary>The current path waits at the meeting point; where its own meeting point is the same, it is done.</summary>
    private void Part(int meet)
    {
        ref Path top = ref _stack[_depth - 1];
        if (top.Meet == meet && _depth > 1) _depth--;
        else top.Pc = meet;
    }

    private void Push(int pc, int meet, uint mask)
    {
        // A path that begins where it ends has nothing to run.
        if (pc == meet) return;
        if (_depth == _stack.Length) Array.Resize(ref _stack, 2 * _depth);
        _stack[_depth++] = new Path { Pc = pc, Meet = meet, Mask = mask };
    }

    private bool Exit(uint mask)
    {
        Live &= ~mask;
        for (int i = 0; i < _depth; i++) _stack[i].Mask &= ~mask;
        while (_depth > 0 && _stack[_depth - 1].Mask == 0) _depth--;
        if (_depth > 0) return true;
        Status = WarpStatus.Exited;
        return false;
    }

    /// <summary>
    /// Checks the member mask of a <c>.sync</c> instruction: its threads must run it together. Members that have ended or do not exist
    /// are ignored. Orders the warp's accesses when all its live threads take part.
    /// </summary>
    public void SynchroniseMembers(uint executing, uint members)
    {
        if ((executing & ~members) != 0)
            throw Fault(FaultKind.DivergentWarp, BitOperations.TrailingZeroCount(executing & ~members),
                $"the thread is not in the member mask 0x{members:X8}");
        uint missing = members & Live & ~executing;
        if (missing != 0)
            throw Fault(FaultKind.DivergentWarp, BitOperations.TrailingZeroCount(missing),
                $"the member mask 0x{members:X8} names this thread, but only 0x{executing:X8} run the instruction together");
        if ((Live & ~executing) == 0) Synchronise();
    }

    /// <summary>Checks that all 32 lanes run an <c>.aligned</c> matrix instruction.</summary>
    public void RequireWholeWarp(uint executing)
    {
        if (executing != uint.MaxValue)
            throw Fault(FaultKind.DivergentWarp, BitOperations.TrailingZeroCount(~executing),
                $"a warp-wide matrix instruction runs with lanes 0x{executing:X8} only");
    }

    /// <summary>The exception for a fault of the running instruction, or of that at <paramref name="pc"/>.</summary>
    public PtxFaultException Fault(FaultKind kind, int lane, string message, int pc = -1)
    {
        if (pc < 0) pc = Pc;
        int line = _code[pc].Line;
        Dim3 thread = Launch.Block.Position(Index * 32 + lane);
        return new PtxFaultException(kind, line,
            $"kernel '{Launch.Kernel.Name}', {Describe(pc)}, block {Block.Position}, thread {thread}: {message}");
    }

    /// <summary>Names the instruction at <paramref name="pc"/> within a message.</summary>
    public string Describe(int pc) => $"line {_code[pc].Line} ({Launch.Kernel.Source(_code[pc].Line)})";
}
