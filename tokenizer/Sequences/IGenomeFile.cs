namespace Dnabert2.Sequences;

/// <summary>The sequences of a file, read at any place. Several threads may use one at once.</summary>
internal interface IGenomeFile : IDisposable
{
    /// <summary>The file's name in messages.</summary>
    string Name { get; }

    /// <summary>The names of the sequences, in the order of the file.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>Bytes that were read from the disk so far, without those of indexes.</summary>
    long BytesRead { get; }

    /// <summary>Whether there is a sequence of this name, and its number of bases.</summary>
    bool TryGetLength(string name, out long length);

    /// <summary>Reads bases of a sequence: A, C, G, T, N and the other IUPAC codes.</summary>
    /// <param name="name">A sequence of the file.</param>
    /// <param name="start">The first base, counted from 0; there are as many as are asked for.</param>
    /// <param name="destination">Receives them.</param>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    void Read(string name, long start, Span<byte> destination);
}
