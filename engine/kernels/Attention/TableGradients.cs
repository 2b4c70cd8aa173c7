namespace Engine.Kernels;

/// <summary>
/// Where <see cref="AttentionBackward{TMod}"/> adds the gradients of the tables of a score modification, in the order of
/// <see cref="IScoreModification{TSelf}.Table"/>: F32, of the shapes of the tables. That of an absent one is not computed.
/// </summary>
/// <param name="first">Of the first table.</param>
/// <param name="second">Of the second one.</param>
/// <param name="third">Of the third one.</param>
/// <param name="fourth">Of the fourth one.</param>
public readonly struct TableGradients(Tensor first, Tensor second = default, Tensor third = default, Tensor fourth = default)
{
    /// <summary>The most tables that a modification can have.</summary>
    public const int Most = 4;

    /// <summary>The gradient of a table; absent where none is wanted.</summary>
    public Tensor this[int table] => table switch { 0 => first, 1 => second, 2 => third, 3 => fourth, _ => default };

    /// <summary>The gradient of the only table.</summary>
    public static implicit operator TableGradients(Tensor first) => new(first);

    /// <summary>Refuses gradients of tables that a modification does not have, or of other shapes.</summary>
    internal void Check<TMod>(OperandCheck operands, in TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        if (TMod.Tables > Most)
            throw new ArgumentException($"{typeof(TMod).Name} lists {TMod.Tables} tables, at most {Most} can be listed");
        for (int table = 0; table < Most; table++)
        {
            if (this[table].IsAbsent) continue;
            if (table >= TMod.Tables)
                throw new ArgumentException(
                    $"{typeof(TMod).Name} lists {TMod.Tables} tables, so table {table} has no gradient; leave it out");
            BiasTable whole = TMod.Table(mod, table);
            operands.Expect(this[table], DType.F32, new Shape(whole.Rows, whole.Entries), $"the gradient of table {table}");
        }
    }
}
