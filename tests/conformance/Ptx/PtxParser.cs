namespace Conformance.Ptx;

/// <summary>
/// Parses PTX text into functions and module variables. Registers and variables are resolved to their declarations by scope.
/// </summary>
internal sealed partial class PtxParser
{
    private readonly List<Token> _tokens;
    private int _at;
    private readonly List<Dictionary<string, PtxVariable>> _scopes = [[]];

    public string Version { get; private set; } = "";
    public string Target { get; private set; } = "";
    public List<PtxVariable> Variables { get; } = [];
    public Dictionary<string, PtxFunction> Functions { get; } = [];

    public PtxParser(string text)
    {
        _tokens = new PtxLexer(text).Run();
        while (Peek.Kind != TokenKind.End) ModuleItem();
    }

    private Token Peek => _tokens[_at];

    private Token Next() => _tokens[_at++];

    private PtxParseException Error(string message) => new(Peek.Line, message);

    private bool Accept(char symbol)
    {
        if (!Peek.Is(symbol)) return false;
        _at++;
        return true;
    }

    private bool AcceptDirective(string name)
    {
        if (Peek.Kind != TokenKind.Directive || Peek.Text != name) return false;
        _at++;
        return true;
    }

    private void Expect(char symbol)
    {
        if (!Accept(symbol)) throw Error($"expected '{symbol}', found '{Peek.Text}'");
    }

    private string ExpectWord(string what) =>
        Peek.Kind == TokenKind.Word ? Next().Text : throw Error($"expected {what}, found '{Peek.Text}'");

    private int ExpectCount(string what) =>
        Peek.Kind == TokenKind.Integer ? checked((int)Next().Value) : throw Error($"expected {what}, found '{Peek.Text}'");

    private void ModuleItem()
    {
        if (Peek.Kind != TokenKind.Directive) throw Error($"expected a directive at module level, found '{Peek.Text}'");
        bool external = false;
        while (Peek.Kind == TokenKind.Directive && Peek.Text is "visible" or "extern" or "weak" or "common")
            external |= Next().Text == "extern";
        Token directive = Next();
        switch (directive.Text)
        {
            case "version":
                Version = VersionNumber(Next());
                break;
            case "target":
                do Target += (Target.Length > 0 ? ", " : "") + ExpectWord("a target"); while (Accept(','));
                break;
            case "address_size":
                if (ExpectCount("an address size") != 64) throw Error("only 64-bit addresses are supported");
                break;
            case "entry":
            case "func":
                Function(directive.Text == "entry", directive.Line, external);
                break;
            case "global":
            case "const":
            case "shared":
                foreach (PtxVariable variable in VariableDeclaration(Space(directive.Text), external)) Variables.Add(variable);
                break;
            case "section":
                SkipSection();
                break;
            default:
                throw new PtxParseException(directive.Line, $"unknown directive '.{directive.Text}'");
        }
    }

    private static string VersionNumber(Token token) =>
        token.Kind == TokenKind.Double
            ? BitConverter.UInt64BitsToDouble(token.Value).ToString("0.0")
            : throw new PtxParseException(token.Line, "expected a version number");

    private void SkipSection()
    {
        while (!Accept('}'))
        {
            if (Peek.Kind == TokenKind.End) throw Error("a section is not closed");
            _at++;
        }
    }

    private static PtxSpace Space(string name) => name switch
    {
        "global" => PtxSpace.Global,
        "const" => PtxSpace.Const,
        "shared" or "shared::cta" => PtxSpace.Shared,
        "local" => PtxSpace.Local,
        "param" => PtxSpace.Param,
        _ => PtxSpace.Register,
    };

    private void Function(bool isEntry, int line, bool external)
    {
        _scopes.Add([]);
        List<PtxVariable> results = [];
        if (!isEntry && Peek.Is('(')) results = ParameterList();
        var function = new PtxFunction { Name = ExpectWord("a function name"), IsEntry = isEntry, Line = line };
        function.Results.AddRange(results);
        if (Peek.Is('(')) function.Parameters.AddRange(ParameterList());
        PerformanceDirectives(function);
        if (Accept('{'))
        {
            function.HasBody = true;
            _function = function;
            Body();
            _function = null;
        }
        else if (!Accept(';') && !external) throw Error("expected a body");
        _scopes.RemoveAt(_scopes.Count - 1);
        if (Functions.TryGetValue(function.Name, out PtxFunction? earlier) && earlier.HasBody && function.HasBody)
            throw new PtxParseException(line, $"function '{function.Name}' is defined twice");
        if (earlier is null || function.HasBody) Functions[function.Name] = function;
    }

    private List<PtxVariable> ParameterList()
    {
        Expect('(');
        var parameters = new List<PtxVariable>();
        if (Accept(')')) return parameters;
        do
        {
            if (!AcceptDirective("param")) throw Error("only parameters in the .param space are supported");
            parameters.Add(Declarator(PtxSpace.Param, false));
        }
        while (Accept(','));
        Expect(')');
        return parameters;
    }

    private void PerformanceDirectives(PtxFunction function)
    {
        while (Peek.Kind == TokenKind.Directive)
        {
            Token directive = Next();
            switch (directive.Text)
            {
                case "maxntid": function.MaxThreads = Product(); break;
                case "reqntid": function.RequiredThreads = Product(); break;
                case "minnctapersm": function.MinBlocksPerSm = ExpectCount("a count"); break;
                case "maxnreg": ExpectCount("a count"); break;
                case "noreturn": break;
                case "pragma": _at++; Expect(';'); break;
                default: throw new PtxParseException(directive.Line, $"unknown directive '.{directive.Text}'");
            }
        }
    }

    private int Product()
    {
        int product = 1;
        do product *= ExpectCount("a count"); while (Accept(','));
        return product;
    }

    private List<PtxVariable> VariableDeclaration(PtxSpace space, bool external)
    {
        var variables = new List<PtxVariable>();
        int start = _at;
        do
        {
            if (variables.Count > 0) RepeatAttributes(start);
            variables.Add(Declarator(space, external));
        }
        while (Accept(','));
        Expect(';');
        return variables;
    }

    /// <summary>In <c>.shared .f32 a, b;</c> the second name has the attributes of the first: they are inserted before it.</summary>
    private void RepeatAttributes(int start)
    {
        int end = start;
        while (_tokens[end].Kind != TokenKind.Word) end++;
        _tokens.InsertRange(_at, _tokens.GetRange(start, end - start));
    }

    /// <summary>Attributes, type, name, extents and initial value of one variable; declares it in the current scope.</summary>
    private PtxVariable Declarator(PtxSpace space, bool external)
    {
        int alignment = 0, vector = 1;
        PtxType? type = null;
        while (Peek.Kind == TokenKind.Directive)
        {
            string name = Next().Text;
            if (name == "align") alignment = ExpectCount("an alignment");
            else if (name == "v2") vector = 2;
            else if (name == "v4") vector = 4;
            else if (PtxTypes.TryParse(name, out PtxType parsed)) type = parsed;
            else if (name == "ptr") SkipPointerAttributes();
            else throw Error($"unknown attribute '.{name}' of a variable");
        }
        int line = Peek.Line;
        string variableName = ExpectWord("a variable name");
        if (type is null) throw Error($"variable '{variableName}' has no type");
        long count = vector;
        bool dynamic = false;
        while (Accept('['))
        {
            if (Peek.Is(']')) dynamic = true;
            else count *= ExpectCount("an extent");
            Expect(']');
        }
        int size = type.Value.Bytes();
        var variable = new PtxVariable
        {
            Name = variableName,
            Space = space,
            Type = type.Value,
            Line = line,
            Alignment = Math.Max(alignment, size * vector),
            Bytes = dynamic ? 0 : checked((int)(count * size)),
            IsDynamic = dynamic,
        };
        if (dynamic && !(external && space == PtxSpace.Shared)) throw Error($"variable '{variableName}' has no length");
        if (Accept('=')) variable.InitialValue = Initializer(type.Value, variable.Bytes);
        Declare(variable);
        return variable;
    }

    private void SkipPointerAttributes()
    {
        while (Peek.Kind == TokenKind.Directive && Peek.Text is "global" or "shared" or "const" or "local" or "align")
            if (Next().Text == "align") ExpectCount("an alignment");
    }

    private byte[] Initializer(PtxType type, int bytes)
    {
        var data = new byte[bytes];
        int size = type.Bytes(), at = 0;
        bool braces = Accept('{');
        do
        {
            PtxOperand value = Literal();
            if (at + size > bytes) throw Error("more initial values than elements");
            ulong bits = LiteralBits(value, type);
            for (int i = 0; i < size; i++) data[at + i] = (byte)(bits >> (8 * i));
            at += size;
        }
        while (braces && Accept(','));
        if (braces) Expect('}');
        return data;
    }

    private void Declare(PtxVariable variable)
    {
        if (!_scopes[^1].TryAdd(variable.Name, variable))
            throw new PtxParseException(variable.Line, $"'{variable.Name}' is declared twice");
    }

    private PtxVariable? Find(string name)
    {
        for (int i = _scopes.Count - 1; i >= 0; i--)
            if (_scopes[i].TryGetValue(name, out PtxVariable? variable)) return variable;
        return null;
    }
}
