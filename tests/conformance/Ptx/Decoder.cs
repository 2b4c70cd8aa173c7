using System.Numerics;

namespace Conformance.Ptx;

/// <summary>
/// Turns statements into instructions: one method a family, chosen by opcode. A modifier or operand that no method asks for is an error.
/// </summary>
internal sealed partial class Decoder(PtxLinker linker)
{
    private PtxStatement _statement = null!;
    private Frame _frame = null!;
    private Instruction _instruction = null!;
    private List<string> _modifiers = [];
    private int _operandsRead;

    /// <summary>The registers, by number, that the last instruction reads: all of its operands that it does not write, at least.</summary>
    public List<int> Reads { get; } = [];
    /// <summary>Those that it writes in every lane that runs it.</summary>
    public List<int> Writes { get; } = [];

    public Instruction Decode(PtxStatement statement, Frame frame)
    {
        _statement = statement;
        _frame = frame;
        _modifiers = [.. statement.Modifiers];
        _operandsRead = 0;
        _instruction = new Instruction { Line = statement.Line, Opcode = statement.FullOpcode };
        if (!(Control() || Integer() || Floating() || Data() || Memory() || WarpWide() || Matrix())) throw Error("unknown instruction");
        if (_modifiers.Count > 0) throw Error($"unknown modifier '.{_modifiers[0]}' of instruction");
        if (_operandsRead < OperandCount) throw Error($"{OperandCount} operands are too many for");
        int[] registers = [.. statement.Operands.SelectMany(RegistersOf).Distinct()];
        Reads.AddRange(registers.Where(register => !Writes.Contains(register)));
        if (linker.HasProducts) _instruction.Registers = [.. registers.Select(linker.Slot)];
        return _instruction;
    }

    private IEnumerable<int> RegistersOf(PtxOperand operand) =>
        operand.Kind == OperandKind.Register && operand.Variable!.Type != PtxType.Pred
        ? [_frame.RegisterBase + operand.Variable.Index] : operand.Items.SelectMany(RegistersOf);

    private PtxParseException Error(string what) => new(_statement.Line, $"{what} '{_statement.FullOpcode}'");

    private PtxOperand Operand(int index)
    {
        if (index >= _statement.Operands.Length) throw Error($"operand {index + 1} is missing in");
        _operandsRead = Math.Max(_operandsRead, index + 1);
        return _statement.Operands[index];
    }

    private int OperandCount => _statement.Operands.Length;

    private bool Take(string modifier) => _modifiers.Remove(modifier);

    private string TakeAny(params ReadOnlySpan<string> choices)
    {
        foreach (string choice in choices)
            if (Take(choice)) return choice;
        return "";
    }

    private PtxType TakeType()
    {
        for (int i = 0; i < _modifiers.Count; i++)
        {
            if (!PtxTypes.TryParse(_modifiers[i], out PtxType type)) continue;
            _modifiers.RemoveAt(i);
            return type;
        }
        throw Error("a type is missing in");
    }

    private PtxSpace TakeSpace()
    {
        if (TakeAny("shared", "shared::cta").Length > 0) return PtxSpace.Shared;
        if (Take("global")) return PtxSpace.Global;
        if (Take("local")) return PtxSpace.Local;
        if (Take("const")) return PtxSpace.Const;
        if (TakeAny("param", "param::entry", "param::func").Length > 0) return PtxSpace.Param;
        return PtxSpace.Generic;
    }

    private Rounding? TakeRounding() => TakeAny("rn", "rz", "rm", "rp", "rna") switch
    {
        "rn" => Rounding.Nearest,
        "rz" => Rounding.Zero,
        "rm" => Rounding.Down,
        "rp" => Rounding.Up,
        "rna" => Rounding.Away,
        _ => null,
    };

    /// <summary>
    /// The register-file offset of a destination; its width must be the type's, or at least that where <paramref name="wider"/>.
    /// </summary>
    private int Destination(PtxOperand operand, PtxType type, bool wider = false)
    {
        if (operand.Kind == OperandKind.Sink) return linker.Scratch * 32;
        if (operand.Kind != OperandKind.Register) throw Error("the destination must be a register in");
        CheckType(operand, type, wider);
        int register = _frame.RegisterBase + operand.Variable!.Index;
        Writes.Add(register);
        return linker.Slot(register) * 32;
    }

    /// <summary>The register-file offset of a source: a register, or the slot of a constant.</summary>
    private int Source(PtxOperand operand, PtxType type, bool wider = false)
    {
        switch (operand.Kind)
        {
            case OperandKind.Register:
                CheckType(operand, type, wider);
                int register = _frame.RegisterBase + operand.Variable!.Index;
                Reads.Add(register);
                return linker.Slot(register) * 32;
            case OperandKind.Integer or OperandKind.Single or OperandKind.Double:
                if (type.IsFloat() && type != PtxType.F64 && type != PtxType.F32 && operand.Kind != OperandKind.Integer)
                    throw Error("literals must be given by their bits in");
                return linker.Constant(PtxParser.LiteralBits(operand, type)) * 32;
            case OperandKind.Special:
                return linker.Special(operand.Name) * 32;
            case OperandKind.Variable:
                (ulong address, PtxSpace space) = linker.Address(operand.Variable!, _frame, _statement.Line);
                if (space == PtxSpace.Param && !TensorMapBits.Fits(operand.Variable!))
                    throw Error($"the address of the kernel's parameter '{operand.Name}' is taken in");
                return linker.Constant(address) * 32;
            default:
                throw Error($"an operand of a kind this interpreter does not support ({operand.Kind}) in");
        }
    }

    private int Source(int index, PtxType type, bool wider = false) => Source(Operand(index), type, wider);

    private int Destination(int index, PtxType type, bool wider = false) => Destination(Operand(index), type, wider);

    private void CheckType(PtxOperand operand, PtxType type, bool wider)
    {
        PtxType register = operand.Variable!.Type;
        if (register == PtxType.Pred) throw Error($"register '{operand.Name}' is a predicate in");
        if (register.Bytes() != type.Bytes() && !(wider && register.Bytes() > type.Bytes()))
            throw Error($"register '{operand.Name}' has {register.Bits()} bits, the operand {type.Bits()} in");
        if (wider || Untyped(register) || Untyped(type)) return;
        if (register.IsFloat() != type.IsFloat()) throw Error($"register '{operand.Name}' is of type .{register} in");
    }

    // Packed halves travel in registers of any 32-bit type; f16 and bf16 operands in untyped or 16-bit registers.
    private static bool Untyped(PtxType type) =>
        type is PtxType.B8 or PtxType.B16 or PtxType.B32 or PtxType.B64 or PtxType.F16x2 or PtxType.BF16x2 or PtxType.BF16 or PtxType.TF32;

    public PredicateSource Predicate(PtxOperand operand, Frame frame)
    {
        if (operand.Kind == OperandKind.Integer) return new PredicateSource(0, (operand.Value == 0) != operand.Negated);
        if (operand.Kind != OperandKind.Register || operand.Variable!.Type != PtxType.Pred)
            throw new PtxParseException(_statement?.Line ?? 0, $"'{operand.Name}' is no predicate");
        return new PredicateSource(frame.PredicateBase + operand.Variable.Index, operand.Negated);
    }

    private PredicateSource Predicate(int index) => Predicate(Operand(index), _frame);

    /// <summary>A predicate destination, or −1 for <c>_</c>.</summary>
    private int PredicateDestination(PtxOperand operand)
    {
        if (operand.Kind == OperandKind.Sink) return -1;
        if (operand.Kind != OperandKind.Register) throw Error("a predicate register is wanted as destination of");
        return Predicate(operand, _frame).Register;
    }

    private static void SetPredicate(Warp warp, int register, uint mask, uint bits)
    {
        if (register >= 0) warp.P[register] = (warp.P[register] & ~mask) | (bits & mask);
    }

    private static WarpOp Map(int d, int a, Func<ulong, ulong> f) => (warp, mask) =>
    {
        ulong[] r = warp.R;
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            r[d + lane] = f(r[a + lane]);
        }
    };

    private static WarpOp Map(int d, int a, int b, Func<ulong, ulong, ulong> f) => (warp, mask) =>
    {
        ulong[] r = warp.R;
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            r[d + lane] = f(r[a + lane], r[b + lane]);
        }
    };

    private static WarpOp Map(int d, int a, int b, int c, Func<ulong, ulong, ulong, ulong> f) => (warp, mask) =>
    {
        ulong[] r = warp.R;
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            r[d + lane] = f(r[a + lane], r[b + lane], r[c + lane]);
        }
    };

    private bool Unary(PtxType type, Func<ulong, ulong> f) => Unary(type, type, f);

    private bool Unary(PtxType to, PtxType from, Func<ulong, ulong> f)
    {
        int d = Destination(0, to), a = Source(1, from);
        _instruction.Run = HotOps.Unary(_statement.FullOpcode, d, a) ?? Map(d, a, f);
        return true;
    }

    private bool Binary(PtxType type, Func<ulong, ulong, ulong> f)
    {
        int d = Destination(0, type), a = Source(1, type), b = Source(2, type);
        _instruction.Run = HotOps.Binary(_statement.FullOpcode, d, a, b) ?? Map(d, a, b, f);
        return true;
    }

    private bool Ternary(PtxType type, Func<ulong, ulong, ulong, ulong> f)
    {
        int d = Destination(0, type), a = Source(1, type), b = Source(2, type), c = Source(3, type);
        _instruction.Run = HotOps.Ternary(_statement.FullOpcode, d, a, b, c) ?? Map(d, a, b, c, f);
        return true;
    }

    private bool Control()
    {
        switch (_statement.Opcode)
        {
            case "bra":
                _instruction.Uniform = Take("uni");
                _instruction.Flow = Flow.Branch;
                _instruction.Target = linker.Label(Operand(0).Name, _frame, _statement.Line);
                return true;
            case "brx":
                Take("idx");
                _instruction.Uniform = Take("uni");
                _instruction.Flow = Flow.BranchIndexed;
                _instruction.TargetIndex = Source(0, PtxType.U32);
                _instruction.Targets = BranchTargets();
                return true;
            case "ret":
                Take("uni");
                _instruction.Flow = _frame.End < 0 ? Flow.Exit : Flow.Branch;
                _instruction.Target = Math.Max(0, _frame.End);
                return true;
            case "exit":
                _instruction.Flow = Flow.Exit;
                return true;
            case "trap":
                _instruction.Run = static (warp, mask) => throw warp.Fault(FaultKind.Trap, BitOperations.TrailingZeroCount(mask), "trap");
                return true;
            case "bar" when !_modifiers.Contains("warp"):
            case "barrier":
                return BlockBarrier();
            default:
                return false;
        }
    }

    private int[] BranchTargets()
    {
        if (!_frame.BranchTargets.TryGetValue(Operand(1).Name, out string[]? labels))
            throw Error($"'{Operand(1).Name}' names no .branchtargets for");
        return [.. labels.Select(label => linker.Label(label, _frame, _statement.Line))];
    }

    private bool BlockBarrier()
    {
        Take("cta");
        Take("aligned");
        int count = OperandCount;
        if (Take("sync"))
            _instruction.Barrier = Barrier(BarrierKind.Sync, count > 1);
        else if (Take("arrive"))
            _instruction.Barrier = Barrier(BarrierKind.Arrive, true);
        else if (Take("red")) BarrierReduction(count);
        else return false;
        _instruction.Flow = Flow.Barrier;
        return true;
    }

    private BarrierUse Barrier(BarrierKind kind, bool counted) =>
        new() { Kind = kind, Id = Source(0, PtxType.U32), Threads = counted ? Source(1, PtxType.U32) : -1 };

    private void BarrierReduction(int count)
    {
        string operation = TakeAny("popc", "and", "or");
        PtxType type = TakeType();
        _instruction.Barrier = new BarrierUse
        {
            Kind = BarrierKind.Reduce,
            Reduction = operation,
            Destination = type == PtxType.Pred ? PredicateDestination(Operand(0)) : Destination(0, type),
            Id = Source(1, PtxType.U32),
            Threads = count > 3 ? Source(2, PtxType.U32) : -1,
            Source = Predicate(count - 1),
        };
    }
}
