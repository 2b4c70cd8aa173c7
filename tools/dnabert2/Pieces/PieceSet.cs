namespace Dnabert2.Tool.Pieces;

/// <summary>A piece on disk.</summary>
/// <param name="Path">Its main file, as it was named.</param>
/// <param name="Folder">The folder that its files lie in.</param>
/// <param name="Record">What it holds.</param>
internal sealed record Piece(string Path, string Folder, BlockRecord Record)
{
    /// <summary>One of its files.</summary>
    public string FileOf(int file) => System.IO.Path.Combine(Folder, Record.Files[file].Name);
}

/// <summary>All pieces of one result, in order.</summary>
internal sealed class PieceSet
{
    private PieceSet(Piece[] pieces) => Pieces = pieces;

    /// <summary>The pieces, the first one first.</summary>
    public IReadOnlyList<Piece> Pieces { get; }

    /// <summary>The blocks of all of them together.</summary>
    public long Blocks => Pieces[0].Record.All!.Value;

    /// <summary>Reads the records of pieces and holds them against each other.</summary>
    /// <param name="paths">The main files of the pieces, or their records, in any order.</param>
    /// <exception cref="FileNotFoundException">A piece has no record, or one of its files is missing.</exception>
    /// <exception cref="InvalidDataException">One is missing, given twice, damaged, or of another run.</exception>
    public static PieceSet Open(IReadOnlyList<string> paths)
    {
        Piece first = Read(paths[0]);
        int count = first.Record.Shard.Count;
        var pieces = new Piece?[count];
        foreach (string path in paths)
        {
            Piece piece = Read(path);
            BlockRecord record = piece.Record;
            if (record.Shard.Count != count)
                throw new InvalidDataException(
                    $"{piece.Path} is piece {record.Shard}, and {first.Path} is piece {first.Record.Shard}; give pieces of one result");
            if (first.Record.Run.DifferenceTo(record.Run) is { } difference)
                throw new InvalidDataException(
                    $"{piece.Path} is of another run than {first.Path}: {difference}; compute it again with the same version, model, "
                    + "options and inputs");
            if (record.All != first.Record.All || !HasFormatsOf(record, first.Record))
                throw new InvalidDataException(
                    $"{piece.Path} has other rows or files than {first.Path}; compute it again with the same options and inputs");
            ref Piece? place = ref pieces[record.Shard.Index - 1];
            if (place is not null)
                throw new InvalidDataException($"{piece.Path} and {place.Path} are both piece {record.Shard}; give each piece once");
            place = piece;
        }

        string[] missing = [.. Enumerable.Range(1, count).Where(i => pieces[i - 1] is null).Take(10).Select(i => $"{i}")];
        if (missing.Length > 0)
            throw new InvalidDataException(
                $"of {count} pieces {count - pieces.Count(piece => piece is not null)} are missing: {string.Join(", ", missing)}"
                + $"{(missing.Length == 10 ? ", …" : "")}; compute them with --shard {missing[0]}/{count}, and give all");
        return new PieceSet([.. pieces.OfType<Piece>()]);
    }

    /// <summary>What the pieces were computed on, where that is not the same for all: the last digits may then differ.</summary>
    public string? OtherDevices()
    {
        string first = Kind(Pieces[0]);
        return Pieces.Select(Kind).FirstOrDefault(kind => kind != first) is { } other ? $"{first}; {other}" : null;

        // The number of threads makes no difference.
        static string Kind(Piece piece) =>
            string.Join(", ", piece.Record.Device.Split(", ").Where(word => !word.Contains("thread", StringComparison.Ordinal)));
    }

    private static Piece Read(string path)
    {
        bool isRecord = path.EndsWith(BlockRecord.OfPiece, StringComparison.Ordinal);
        string record = isRecord ? path : path + BlockRecord.OfPiece;
        if (!File.Exists(record))
            throw new FileNotFoundException(
                $"{record}: is missing; give the files that runs with --shard have written for -o, with their records beside them");
        BlockRecord read = BlockRecord.Read(record);
        if (read.All is null) throw new InvalidDataException($"{record}: is of a piece that was not completed; compute it again");
        var piece = new Piece(
            isRecord ? path[..^BlockRecord.OfPiece.Length] : path, Path.GetDirectoryName(Path.GetFullPath(record))!, read);
        for (int i = 0; i < read.Files.Count; i++)
        {
            var file = new FileInfo(piece.FileOf(i));
            if (!file.Exists) throw new FileNotFoundException($"{file.FullName}: is missing, a file of the piece {piece.Path}");
            if (file.Length < read.EndOf(i))
                throw new InvalidDataException(
                    $"{file.FullName}: has {file.Length} bytes, {read.EndOf(i)} were written; compute the piece again");
        }

        return piece;
    }

    private static bool HasFormatsOf(BlockRecord record, BlockRecord other)
    {
        if (record.Files.Count != other.Files.Count) return false;
        for (int i = 0; i < record.Files.Count; i++)
        {
            BlockFileRecord a = record.Files[i], b = other.Files[i];
            if (a.Head != b.Head || !a.IsLike(b) || record.Shard.ResultOf(a.Name) is not { } name || name != other.Shard.ResultOf(b.Name))
                return false;
        }

        return true;
    }
}
