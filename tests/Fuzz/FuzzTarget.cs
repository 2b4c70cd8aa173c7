namespace Tests.Fuzz;

/// <summary>Changes an input; the second one lends parts.</summary>
internal delegate byte[] Mutate(byte[] input, byte[] other, Random random);

/// <summary>A parser, inputs that it reads, and what holds for every input.</summary>
/// <param name="Name">What is parsed.</param>
/// <param name="Seeds">Inputs that are read without a fault.</param>
/// <param name="Mutate">Changes inputs by their grammar.</param>
/// <param name="Read">Reads an input wholly and says what it holds, the same of the same input; throws where it is refused.</param>
internal sealed record FuzzTarget(string Name, IReadOnlyList<byte[]> Seeds, Mutate Mutate, Func<byte[], string> Read)
{
    /// <summary>The kinds of error that are documented for input that is refused.</summary>
    public Type[] Documented { get; init; } = [typeof(InvalidDataException)];

    /// <summary>What every error's message names.</summary>
    public string Named { get; init; } = "";

    /// <summary>The most bytes that may be allocated for an input, and for each of its bytes.</summary>
    public (long Fixed, long EachByte) Memory { get; init; } = (8 << 20, 300);

    public override string ToString() => Name;
}

/// <summary>A parser behind a named option, as the table of all of them has it.</summary>
/// <param name="Make">Makes its target.</param>
/// <param name="Sources">The source files that the target is there for: each of them refuses some input.</param>
internal sealed record Parser(Func<FuzzTargets, FuzzTarget> Make, params string[] Sources)
{
    /// <summary>Inputs of a run of the ordinary suite.</summary>
    public int Inputs { get; init; } = 150;
}

/// <summary>An input for which something did not hold.</summary>
/// <param name="Fault">What.</param>
/// <param name="Input">The input, made as small as it was easy to.</param>
internal sealed record Finding(string Fault, byte[] Input);
