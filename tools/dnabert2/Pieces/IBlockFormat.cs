using System.Text.Json;

namespace Dnabert2.Tool.Pieces;

/// <summary>
/// A format of files that consist of a head, blocks of rows and an end. Blocks stand for themselves: their bytes depend on their rows alone
/// and not on what lies before them. So a file can be gone on with after any block, and blocks of several files can be put together to one.
/// A format that cannot be written so is no <see cref="IBlockFormat"/>, and goes to <see cref="RowResult.AddWhole"/>.
/// </summary>
internal interface IBlockFormat
{
    /// <summary>Whether the record of the run is in the file, so that none is needed beside it.</summary>
    bool HoldsRecord { get; }

    /// <summary>Hands everything that waits to the file.</summary>
    /// <returns>What the end of the file has to know of the rows since the last call; of most formats nothing, "".</returns>
    string EndBlock();

    /// <summary>The head of the complete file, where it is not the one that was written first; as long as that. Otherwise empty.</summary>
    /// <param name="bytes">The bytes of all blocks.</param>
    ReadOnlyMemory<byte> Head(long bytes);

    /// <summary>What follows the last block.</summary>
    /// <param name="head">The bytes of the head.</param>
    /// <param name="notes">What <see cref="EndBlock"/> returned for each block.</param>
    /// <exception cref="FormatException">A note is none of this format.</exception>
    ReadOnlyMemory<byte> End(long head, IReadOnlyList<string> notes);

    /// <summary>Writes what <see cref="BlockFormats.Read"/> makes the format from again: properties of an object.</summary>
    void Describe(Utf8JsonWriter json);
}
