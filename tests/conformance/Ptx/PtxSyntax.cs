using System.Globalization;

namespace Conformance.Ptx;

/// <summary>The fundamental types of PTX and the packed and alternate floating-point formats.</summary>
internal enum PtxType { Pred, B8, B16, B32, B64, U8, U16, U32, U64, S8, S16, S32, S64, F16, F16x2, BF16, BF16x2, TF32, F32, F64 }

internal static class PtxTypes
{
    /// <summary>The type a suffix such as <c>.u32</c> names; false when the suffix is no type.</summary>
    public static bool TryParse(string suffix, out PtxType type)
    {
        type = suffix switch
        {
            "pred" => PtxType.Pred,
            "b8" => PtxType.B8,
            "b16" => PtxType.B16,
            "b32" => PtxType.B32,
            "b64" => PtxType.B64,
            "u8" => PtxType.U8,
            "u16" => PtxType.U16,
            "u32" => PtxType.U32,
            "u64" => PtxType.U64,
            "s8" => PtxType.S8,
            "s16" => PtxType.S16,
            "s32" => PtxType.S32,
            "s64" => PtxType.S64,
            "f16" => PtxType.F16,
            "f16x2" => PtxType.F16x2,
            "bf16" => PtxType.BF16,
            "bf16x2" => PtxType.BF16x2,
            "tf32" => PtxType.TF32,
            "f32" => PtxType.F32,
            "f64" => PtxType.F64,
            _ => (PtxType)(-1),
        };
        return (int)type >= 0;
    }

    public static int Bytes(this PtxType type) => type switch
    {
        PtxType.Pred => 0,
        PtxType.B8 or PtxType.U8 or PtxType.S8 => 1,
        PtxType.B16 or PtxType.U16 or PtxType.S16 or PtxType.F16 or PtxType.BF16 => 2,
        PtxType.B64 or PtxType.U64 or PtxType.S64 or PtxType.F64 => 8,
        _ => 4,
    };

    public static int Bits(this PtxType type) => 8 * type.Bytes();

    public static bool IsSigned(this PtxType type) => type is PtxType.S8 or PtxType.S16 or PtxType.S32 or PtxType.S64;

    public static bool IsFloat(this PtxType type) => type >= PtxType.F16;
}

internal enum PtxSpace { Generic, Register, Param, Local, Shared, Global, Const }

/// <summary>A declared register, parameter or variable; <see cref="Index"/> counts registers of its kind within the function.</summary>
internal sealed class PtxVariable
{
    public required string Name { get; init; }
    public required PtxSpace Space { get; init; }
    public required PtxType Type { get; init; }
    public required int Line { get; init; }
    public int Index { get; set; }
    public int Alignment { get; set; }
    public int Bytes { get; set; }
    /// <summary>An array without a length: dynamic shared memory.</summary>
    public bool IsDynamic { get; set; }
    public byte[]? InitialValue { get; set; }
}

internal enum OperandKind { Register, Integer, Single, Double, Variable, Special, Address, Vector, Pair, Sink, Label, List }

/// <summary>
/// One operand as written: a register, a literal, a symbol, <c>[base+offset]</c>, <c>{a, b}</c>, <c>a|b</c>, <c>(a, b)</c> or <c>_</c>.
/// </summary>
internal sealed class PtxOperand
{
    public required OperandKind Kind { get; init; }
    public PtxVariable? Variable { get; init; }
    /// <summary>The register or variable's name, the special register or the label.</summary>
    public string Name { get; init; } = "";
    /// <summary>The bits of a literal.</summary>
    public ulong Value { get; init; }
    /// <summary>The byte offset of an address.</summary>
    public long Offset { get; init; }
    /// <summary>A predicate read with <c>!</c>.</summary>
    public bool Negated { get; init; }
    /// <summary>The base of an address and the coordinates of a tensor's, the elements of a vector, pair or list.</summary>
    public PtxOperand[] Items { get; init; } = [];

    /// <summary>The predicate inverted.</summary>
    public PtxOperand Not() => new() { Kind = Kind, Name = Name, Variable = Variable, Negated = !Negated };
}

/// <summary>One statement of a function's body: a label, or an instruction with its guard.</summary>
internal sealed class PtxStatement
{
    private string? _fullOpcode;

    public required int Line { get; init; }
    public string? Label { get; init; }
    /// <summary>The labels of a <c>.branchtargets</c> declaration, which its own label names.</summary>
    public string[]? BranchTargets { get; init; }
    /// <summary>The opcode without modifiers: <c>ld</c> of <c>ld.global.f32</c>.</summary>
    public string Opcode { get; init; } = "";
    public string[] Modifiers { get; init; } = [];
    public PtxOperand? Guard { get; init; }
    public PtxOperand[] Operands { get; init; } = [];

    /// <summary>With the modifiers; of equal ones there is one text.</summary>
    public string FullOpcode => _fullOpcode ??= string.Intern(Modifiers.Length == 0 ? Opcode : Opcode + "." + string.Join('.', Modifiers));

    public bool Has(string modifier) => Array.IndexOf(Modifiers, modifier) >= 0;

    /// <summary>The types among the modifiers, in order.</summary>
    public List<PtxType> Types()
    {
        var types = new List<PtxType>();
        foreach (string modifier in Modifiers)
            if (PtxTypes.TryParse(modifier, out PtxType type)) types.Add(type);
        return types;
    }
}

/// <summary>A kernel (<c>.entry</c>) or a device function (<c>.func</c>).</summary>
internal sealed class PtxFunction
{
    public required string Name { get; init; }
    public required bool IsEntry { get; init; }
    public required int Line { get; init; }
    public List<PtxVariable> Results { get; } = [];
    public List<PtxVariable> Parameters { get; } = [];
    /// <summary>Variables declared in the body, of all spaces but registers.</summary>
    public List<PtxVariable> Variables { get; } = [];
    public List<PtxStatement> Body { get; } = [];
    public bool HasBody { get; set; }
    public int RegisterCount { get; set; }
    public int PredicateCount { get; set; }
    /// <summary>The limits of <c>.maxntid</c> (a bound of the product) or null.</summary>
    public int? MaxThreads { get; set; }
    /// <summary>The block size that <c>.reqntid</c> demands, or null.</summary>
    public int? RequiredThreads { get; set; }
    public int? MinBlocksPerSm { get; set; }

    /// <summary>The function without what is in its body.</summary>
    public PtxFunction Declaration()
    {
        var declaration = new PtxFunction
        {
            Name = Name,
            IsEntry = IsEntry,
            Line = Line,
            MaxThreads = MaxThreads,
            RequiredThreads = RequiredThreads,
            MinBlocksPerSm = MinBlocksPerSm,
        };
        declaration.Parameters.AddRange(Parameters);
        return declaration;
    }
}

/// <summary>The text is not PTX this interpreter understands; the message names line and instruction.</summary>
internal sealed class PtxParseException(int line, string message)
    : Exception(string.Create(CultureInfo.InvariantCulture, $"PTX line {line}: {message}"))
{
    public int Line => line;
}
