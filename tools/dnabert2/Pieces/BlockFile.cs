namespace Dnabert2.Tool.Pieces;

/// <summary>A file of a result that is written in blocks: where it is, how it is written, and what of it is complete.</summary>
/// <param name="path">Its final name.</param>
/// <param name="file">The file.</param>
internal sealed class BlockFile(string path, FileStream file)
{
    /// <summary>What is written to.</summary>
    public BlockStream Stream { get; } = new(file);

    /// <summary>Its final name.</summary>
    public string Path => path;

    /// <summary>What it is.</summary>
    public IBlockFormat Format { get; set; } = new TextBlocks(rows: null);

    /// <summary>The bytes before the first block.</summary>
    public long Head { get; private set; }

    /// <summary>The bytes that an earlier process has left.</summary>
    public long Kept { get; } = file.Length;

    /// <summary>What the records call it.</summary>
    public BlockFileRecord Record => new(System.IO.Path.GetFileName(path), Head, Format);

    /// <summary>All that was written is the head.</summary>
    public void EndHead()
    {
        Format.EndBlock();
        Head = Stream.Position;
        Stream.TakeHash();
    }

    /// <summary>Forgets what lies behind a place, and goes on there.</summary>
    public void GoOnAt(long end)
    {
        file.Flush();
        file.SetLength(end);
        file.Position = end;
    }

    /// <summary>All that was written since the last call, or since the head, is a block.</summary>
    public BlockPart EndBlock()
    {
        string note = Format.EndBlock();
        return new BlockPart(Stream.Position, Stream.TakeHash(), note);
    }

    /// <summary>Writes what there is to the disk.</summary>
    public void Flush() => file.Flush(flushToDisk: true);

    /// <summary>Writes the end, and the head as the complete file has it.</summary>
    /// <param name="notes">What the format keeps of each block.</param>
    public void Complete(IReadOnlyList<string> notes)
    {
        long end = Stream.Position;
        file.Write(Format.End(Head, notes).Span);
        ReadOnlyMemory<byte> head = Format.Head(end - Head);
        if (head.IsEmpty) return;
        file.Position = 0;
        file.Write(head.Span);
    }
}
