using System.Globalization;
using System.Text;
using System.Text.Json;
using Dnabert2.Data;

namespace Dnabert2.Tool.Pieces;

/// <summary>A block of rows in a file.</summary>
/// <param name="End">The byte behind it.</param>
/// <param name="Hash">The XxHash3 of its bytes.</param>
/// <param name="Note">What the format keeps of it, or "".</param>
internal readonly record struct BlockPart(long End, string Hash, string Note);

/// <summary>A file of a result that is written in blocks.</summary>
/// <param name="Name">Its name, without a folder.</param>
/// <param name="Head">The bytes before the first block.</param>
/// <param name="Format">What it is.</param>
internal sealed record BlockFileRecord(string Name, long Head, IBlockFormat Format)
{
    /// <summary>Whether another file has this format, in all particulars.</summary>
    public bool IsLike(BlockFileRecord other) => Description(Format).AsSpan().SequenceEqual(Description(other.Format));

    private static byte[] Description(IBlockFormat format)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            format.Describe(json);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }
}

/// <summary>
/// What was written of a result or a piece of one: the file beside it by which it is gone on with, and by which pieces are put together.
/// </summary>
/// <param name="Shard">Which piece it is.</param>
/// <param name="Run">What its rows follow from.</param>
/// <param name="Device">What it was computed on, for people.</param>
/// <param name="All">The blocks of all pieces together; null: the work is not at its end.</param>
/// <param name="Files">Its files.</param>
/// <param name="Blocks">The blocks, in order, each with its part in every file.</param>
internal sealed record BlockRecord(
    Shard Shard, RunRecord Run, string Device, long? All, IReadOnlyList<BlockFileRecord> Files, IReadOnlyList<BlockPart[]> Blocks)
{
    /// <summary>What is added to the name of a piece for that of its record, and to that of what is kept of a result.</summary>
    public const string OfPiece = ".shard.json", OfPart = ".json";

    private const string Format = "dnabert2-blocks", Remedy = "the file is damaged; remove it and compute what it is of anew";
    private const int Version = 1, MostFiles = 16;

    /// <summary>Where a file ends whose blocks are complete, and its end not written.</summary>
    public long EndOf(int file) => Blocks.Count > 0 ? Blocks[^1][file].End : Files[file].Head;

    /// <summary>Reads a record.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static BlockRecord Read(string path) => JsonFields.Read(path, Remedy, Read);

    /// <summary>Reads the content of a record.</summary>
    /// <param name="path">Its name in messages.</param>
    /// <param name="json">The content.</param>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static BlockRecord Read(string path, ReadOnlyMemory<byte> json) => JsonFields.Read(path, json, Remedy, Read);

    /// <summary>Its JSON.</summary>
    public byte[] Write()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, RunRecord.Form))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("format_version", Version);
            json.WriteNumber("shard", Shard.Index);
            json.WriteNumber("shards", Shard.Count);
            json.WritePropertyName("run");
            using (JsonDocument run = JsonDocument.Parse(Run.Json.ToArray())) run.RootElement.WriteTo(json);
            json.WriteString("computed_on", Device);
            if (All is { } all) json.WriteNumber("blocks_of_all_shards", all);
            json.WriteStartArray("files");
            foreach (BlockFileRecord file in Files)
            {
                json.WriteStartObject();
                json.WriteString("name", file.Name);
                json.WriteNumber("head", file.Head);
                file.Format.Describe(json);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("blocks");
            foreach (BlockPart[] block in Blocks) json.WriteStringValue(Text(block));
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static BlockRecord Read(JsonFields json)
    {
        if (json.Text("format") != Format) throw json.Fault("format", $"is not {Format}");
        if (json.Integer("format_version", 0) != Version) throw json.Fault("format_version", $"is not {Version}, which this program reads");
        int count = json.Small("shards", 1, Shard.MostPieces);
        var shard = new Shard(json.Small("shard", 1, count), count);
        // An object, whatever is in it.
        json.Object("run");
        RunRecord run = RunRecord.Of(json.Json("run", RunRecord.Form));
        BlockFileRecord[] files = [.. json.Objects("files", MostFiles).Select(
            file => new BlockFileRecord(file.PlainName("name"), file.Integer("head", 0), BlockFormats.Read(file, run)))];
        if (files.Length == 0) throw json.Fault("files", "is empty");
        long[] ends = [.. files.Select(file => file.Head)];
        BlockPart[][] blocks = [.. json.Texts("blocks").Select(text => Parse(json, text, ends))];
        long? all = json.Has("blocks_of_all_shards") ? json.Integer("blocks_of_all_shards", 0) : null;
        if (all is { } blocksOfAll && shard.BlocksOf(blocksOfAll) != blocks.Length)
            throw json.Fault("blocks", $"has {blocks.Length} entries, piece {shard} of {blocksOfAll} has {shard.BlocksOf(blocksOfAll)}");
        for (int i = 0; i < files.Length; i++) CheckNotes(json, files[i], [.. blocks.Select(block => block[i].Note)]);
        return new BlockRecord(shard, run, json.Text("computed_on"), all, files, blocks);
    }

    private static void CheckNotes(JsonFields json, BlockFileRecord file, string[] notes)
    {
        try
        {
            _ = file.Format.End(file.Head, notes);
        }
        catch (FormatException e)
        {
            throw new InvalidDataException(json.Fault("blocks", $"is not of this format: {e.Message}").Message, e);
        }
    }

    /// <summary>For each file the end, the hash and, where there is one, the note.</summary>
    private static string Text(BlockPart[] block)
    {
        var text = new StringBuilder();
        foreach (BlockPart part in block)
        {
            if (text.Length > 0) text.Append(" | ");
            text.Append(CultureInfo.InvariantCulture, $"{part.End} {part.Hash}");
            if (part.Note.Length > 0) text.Append(' ').Append(part.Note);
        }

        return text.ToString();
    }

    /// <summary>Reads what <see cref="Text"/> has written.</summary>
    /// <param name="json">The record.</param>
    /// <param name="text">The block.</param>
    /// <param name="ends">Where the block before ends in each file; becomes where this one does.</param>
    private static BlockPart[] Parse(JsonFields json, string text, long[] ends)
    {
        string[] parts = text.Split(" | ");
        if (parts.Length != ends.Length) throw Fault();
        var block = new BlockPart[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            string[] words = parts[i].Split(' ');
            if (words.Length is not (2 or 3) || !long.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out long end)
                || end < ends[i])
                throw Fault();
            block[i] = new BlockPart(ends[i] = end, words[1], words.Length > 2 ? words[2] : "");
        }

        return block;

        InvalidDataException Fault() => json.Fault("blocks", $"has '{text}', which is no block of {ends.Length} files");
    }
}
