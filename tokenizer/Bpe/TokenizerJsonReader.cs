using System.Text.Json;
using System.Text.Unicode;

namespace Dnabert2.Tokenizers;

/// <summary>What a <c>tokenizer.json</c> says.</summary>
/// <param name="Model">Vocabulary and merges.</param>
/// <param name="Added">The tokens found in the text first.</param>
/// <param name="SplitsWords">Whether the Whitespace pre-tokenizer is there.</param>
/// <param name="Template">The post-processor, or null.</param>
internal sealed record TokenizerParts(BpeModel Model, AddedTokens Added, bool SplitsWords, Template? Template);

/// <summary>
/// Reads the <c>tokenizer.json</c> of Hugging Face tokenizers: BPE, the Whitespace pre-tokenizer and template processing, nothing else.
/// </summary>
internal static class TokenizerJsonReader
{
    /// <summary>Of a file. Those of the largest vocabularies have some 30 MB.</summary>
    public const int MaxBytes = 64 << 20;

    /// <summary>Of tokens, merges and added tokens each; of the special tokens that a template puts around a text.</summary>
    private const int MaxTokens = 1 << 20, MaxFrame = 256;

    private const int MaxDepth = 32;

    /// <exception cref="InvalidDataException">The content is not such a file; the message names the file and the place.</exception>
    public static TokenizerParts Read(ReadOnlyMemory<byte> utf8, string file)
    {
        if (utf8.Span.StartsWith("\uFEFF"u8)) utf8 = utf8[3..];
        if (!Utf8.IsValid(utf8.Span)) throw new InvalidDataException($"{file}: not a text in UTF-8");
        JsonDocument document;
        try
        {
            JsonNames.RequireUnique(utf8.Span, MaxDepth);
            document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{file}: not valid JSON: {JsonPlace.Cut(e.Message, 200)}", e);
        }
        using (document) return Read(new JsonPlace(file, "$", document.RootElement));
    }

    private static TokenizerParts Read(JsonPlace root)
    {
        root.RefuseOthers("version", "truncation", "padding", "added_tokens", "pre_tokenizer", "post_processor", "model");
        // How the calls of another program cut and fill up what they tokenise; a tokenizer is saved with what was last asked for.
        foreach (string key in (ReadOnlySpan<string>)["truncation", "padding"])
            if (root.Optional(key) is { IsNull: false } call) call.RequireObject();
        if (root.Required("version").Text() != "1.0") throw root.Required("version").Fault("only version \"1.0\" is known");
        BpeModel model = ReadModel(root.Required("model"));
        AddedTokens added = ReadAddedTokens(root.Optional("added_tokens"), model);
        bool splitsWords = ReadPreTokenizer(root.Optional("pre_tokenizer"));
        return new TokenizerParts(model, added, splitsWords, ReadTemplate(root.Optional("post_processor"), model, added));
    }

    private static BpeModel ReadModel(JsonPlace place)
    {
        JsonPlace type = place.Required("type");
        if (type.Text() != "BPE") throw type.Fault($"the model {type.Shown()} is not supported; \"BPE\" is");
        place.RefuseOthers("type", "unk_token", "vocab", "merges");
        string[] tokens = ReadVocabulary(place.Required("vocab"));
        var ids = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++) ids.Add(tokens[id], id);

        var merges = new List<Merge>();
        foreach (JsonPlace item in place.Required("merges").Items(MaxTokens)) merges.Add(ReadMerge(item, ids));
        int unknown = -1;
        if (place.Optional("unk_token") is { IsNull: false } unk && !ids.TryGetValue(unk.Text(), out unknown))
            throw unk.Fault($"the unknown token {unk.Shown()} is not in the vocabulary");
        return new BpeModel(tokens, merges, unknown);
    }

    private static string[] ReadVocabulary(JsonPlace place)
    {
        var entries = new List<(string Token, JsonPlace Id)>();
        foreach ((string token, JsonPlace id) in place.Properties(MaxTokens)) entries.Add((token, id));
        var tokens = new string?[entries.Count];
        foreach ((string token, JsonPlace number) in entries)
        {
            int id = number.Integer();
            if (id >= tokens.Length) throw number.Fault($"id {id} in a vocabulary of {tokens.Length}: ids run from 0 without holes");
            if (tokens[id] is { } other) throw number.Fault($"id {id} is taken by \"{other}\"");
            tokens[id] = token;
        }
        return tokens!;
    }

    private static Merge ReadMerge(JsonPlace place, Dictionary<string, int> ids)
    {
        string left, right;
        if (place.Value.ValueKind == JsonValueKind.Array)
        {
            if (place.Value.GetArrayLength() != 2) throw place.Fault("a merge has two tokens");
            JsonPlace[] sides = [.. place.Items(2)];
            (left, right) = (sides[0].Text(), sides[1].Text());
        }
        else
        {
            string both = place.Text();
            int space = both.IndexOf(' ');
            if (space < 0 || both.IndexOf(' ', space + 1) >= 0)
                throw place.Fault($"{place.Shown()} is not two tokens with a space between them");
            (left, right) = (both[..space], both[(space + 1)..]);
        }
        return new Merge(Known(left), Known(right), Known(left + right));

        int Known(string token) =>
            ids.TryGetValue(token, out int id) ? id : throw place.Fault($"the token \"{token}\" is not in the vocabulary");
    }

    private static AddedTokens ReadAddedTokens(JsonPlace? place, BpeModel model)
    {
        var tokens = new List<AddedToken>();
        if (place is not { IsNull: false } list) return new AddedTokens(tokens);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        int next = model.Tokens.Length;
        foreach (JsonPlace item in list.Items(MaxTokens))
        {
            item.RefuseOthers("id", "content", "special", "normalized");
            string content = item.Required("content").Text();
            int id = item.Required("id").Integer();
            if (content.Length == 0) throw item.Fault("the content is empty");
            if (content.Length > AddedTokens.MaxLength)
                throw item.Fault($"the content has {content.Length} characters; at most {AddedTokens.MaxLength} are read");
            if (!seen.Add(content)) throw item.Fault($"the token \"{content}\" is added twice");
            int known = model.Id(content);
            int expected = known >= 0 ? known : next;
            if (id != expected) throw item.Fault($"the token \"{content}\" has id {id}; by the vocabulary it is {expected}");
            if (known < 0) next++;
            tokens.Add(new AddedToken(id, content, item.Required("special").Flag(), item.Required("normalized").Flag()));
        }
        return new AddedTokens(tokens);
    }

    private static bool ReadPreTokenizer(JsonPlace? place)
    {
        if (place is not { IsNull: false } given) return false;
        JsonPlace type = given.Required("type");
        if (type.Text() != "Whitespace")
            throw type.Fault($"the pre-tokenizer {type.Shown()} is not supported; \"Whitespace\" and null are");
        given.RefuseOthers("type");
        return true;
    }

    private static Template? ReadTemplate(JsonPlace? place, BpeModel model, AddedTokens added)
    {
        if (place is not { IsNull: false } given) return null;
        JsonPlace type = given.Required("type");
        if (type.Text() != "TemplateProcessing")
            throw type.Fault($"the post-processor {type.Shown()} is not supported; \"TemplateProcessing\" and null are");
        given.RefuseOthers("type", "single", "pair", "special_tokens");
        var special = new Dictionary<string, int[]>(StringComparer.Ordinal);
        foreach ((string name, JsonPlace token) in given.Required("special_tokens").Properties(MaxFrame))
            special.Add(name, ReadSpecialToken(token, model, added));
        TemplatePiece[] single = ReadPieces(given.Required("single"), special);
        TemplatePiece[] pair = ReadPieces(given.Required("pair"), special);
        if (Length(single) > MaxFrame || Length(pair) > MaxFrame)
            throw given.Fault($"more than {MaxFrame} special tokens around a text");
        if (Uses(single, PieceKind.First) != 1 || Uses(single, PieceKind.Second) != 0)
            throw given.Required("single").Fault("sequence A is to appear once and B not at all");
        if (Uses(pair, PieceKind.First) != 1 || Uses(pair, PieceKind.Second) != 1)
            throw given.Required("pair").Fault("sequences A and B are to appear once each");
        return new Template(single, pair);

        static int Length(TemplatePiece[] pieces) => pieces.Sum(piece => piece.Ids.Length);

        static int Uses(TemplatePiece[] pieces, PieceKind kind) => pieces.Count(piece => piece.Kind == kind);
    }

    private static int[] ReadSpecialToken(JsonPlace place, BpeModel model, AddedTokens added)
    {
        place.RefuseOthers("id", "ids", "tokens");
        JsonPlace[] tokens = [.. place.Required("tokens").Items(MaxFrame)];
        JsonPlace[] ids = [.. place.Required("ids").Items(MaxFrame)];
        if (ids.Length != tokens.Length) throw place.Fault($"{ids.Length} ids for {tokens.Length} tokens");
        for (int i = 0; i < ids.Length; i++)
        {
            string token = tokens[i].Text();
            int id = added.Id(token) is >= 0 and var found ? found : model.Id(token);
            if (id < 0) throw tokens[i].Fault($"the token \"{token}\" is not in the vocabulary");
            if (id != ids[i].Integer()) throw ids[i].Fault($"the token \"{token}\" has id {id} in the vocabulary");
        }
        return Array.ConvertAll(ids, id => id.Integer());
    }

    private static TemplatePiece[] ReadPieces(JsonPlace place, Dictionary<string, int[]> special)
    {
        var pieces = new List<TemplatePiece>();
        foreach (JsonPlace item in place.Items(MaxFrame))
        {
            item.RefuseOthers("Sequence", "SpecialToken");
            JsonPlace? sequence = item.Optional("Sequence"), token = item.Optional("SpecialToken");
            if (sequence is null == token is null) throw item.Fault("a piece is either a \"Sequence\" or a \"SpecialToken\"");
            JsonPlace piece = sequence ?? token!.Value;
            piece.RefuseOthers("id", "type_id");
            JsonPlace id = piece.Required("id");
            string name = id.Text();
            int type = piece.Required("type_id").Integer();
            if (token is not null && special.TryGetValue(name, out int[]? ids))
                pieces.Add(new TemplatePiece(PieceKind.Special, type, name, ids));
            else if (token is not null)
                throw id.Fault($"\"{name}\" is not among the special_tokens");
            else if (name is "A" or "B")
                pieces.Add(new TemplatePiece(name == "A" ? PieceKind.First : PieceKind.Second, type, null, []));
            else
                throw id.Fault($"the sequence {id.Shown()} is neither \"A\" nor \"B\"");
        }
        return [.. pieces];
    }
}
